"""The one command: `leadhub`, or `python -m leadhub`."""

import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    from leadhub.cli import run  # noqa: PLC0415 - an import of this module alone must cost nothing

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
