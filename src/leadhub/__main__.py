"""The one command: `leadhub`, or `python -m leadhub`."""

import sys
from io import TextIOWrapper


def main() -> None:
    """Run the command line and leave with its exit code."""
    from leadhub.cli import run  # noqa: PLC0415 - an import of this module alone must cost nothing

    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot write a lead's name shows its code points; it does not end the command.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
