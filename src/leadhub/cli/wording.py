"""How the command is called here: `leadhub` where it is installed, `./run` in a checkout.

Advice that cannot be typed as it stands is no advice, so it is reworded at the moment of printing.
"""

import re
import shutil
from functools import cache
from pathlib import Path

_SCRIPT = Path(__file__).resolve().parents[3] / "run"
_AS_COMMAND = re.compile(r"(`|^ {2})leadhub (?=[a-z-])", re.MULTILINE)
"""Between backticks, or alone on an indented line: the two ways in which our texts show a command."""


@cache
def program() -> str:
    """Return what to type for `leadhub`."""
    return "leadhub" if shutil.which("leadhub") or not _SCRIPT.is_file() else "./run"


def worded(text: str) -> str:
    """Return a text whose commands can be typed as they stand.

    >>> worded("see `leadhub status`").endswith(" status`")
    True
    """
    return _AS_COMMAND.sub(lambda found: f"{found[1]}{program()} ", text)
