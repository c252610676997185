"""The command line: a module a family of commands, imported when one of them is called.

`run` is the outermost edge. A user's mistake is answered with a sentence and exit code 2, never with a traceback.
"""

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Group
from rich.console import Console

_RUN = Group("Run it", sort_key=1)
_WATCH = Group("Watch it", sort_key=2)
_LEADS = Group("Leads and their journey", sort_key=3)
_CONNECT = Group("Connect it", sort_key=4)

_COMMANDS = (
    (_RUN, "demo", "demo:demo", "Show the whole journey with sample leads; nothing of it stays."),
    (_RUN, "up", "up:up", "Start all of LeadHub on this machine and keep it running."),
    (_RUN, "serve", "serving:serve", "Run one gateway: takes leads in and answers the API."),
    (_RUN, "worker", "serving:worker", "Run one worker: processes leads and delivers webhooks."),
    (_RUN, "migrate", "migrate:migrate", "Bring the database to this version."),
    (_RUN, "retention", "retention:retention", "Drop what was kept long enough, as workers do every hour."),
    (_RUN, "openapi", "openapi:openapi", "Write the API's description."),
    (_WATCH, "status", "status:status", "Say how it is: exit code 0 healthy, 1 degraded, 2 down."),
    (_WATCH, "doctor", "doctor:doctor", "Check every part and say how to put right what is wrong."),
    (_WATCH, "tail", "tail:tail", "Follow leads as they come and go."),
    (_WATCH, "listen", "listen:listen", "Receive webhooks on this machine, verify and print them."),
    (_WATCH, "double", "double:double", "Stand in for Meta's and LinkedIn's APIs, to try them out."),
    (_WATCH, "send", "send:send", "Post sample leads."),
    (_LEADS, "leads", "leads:app", "Read leads: who, how many points, why, where to; merge and part them."),
    (_LEADS, "reviews", "reviews:app", "Answer what matching was not sure of: one person, or two?"),
    (_LEADS, "submissions", "submissions:app", "See and replay what could not be processed."),
    (_LEADS, "deliveries", "deliveries:app", "See what was sent to whom, and how it ended."),
    (_LEADS, "replays", "replays:app", "Deliver again what happened: preview, run, pause, cancel."),
    (_LEADS, "nurture", "nurture:app", "See the nurture tracks, one lead's plan; let somebody wait."),
    (_CONNECT, "sources", "sources:app", "Connect what leads come from."),
    (_CONNECT, "endpoints", "endpoints:app", "Subscribe what leads go to."),
    (_CONNECT, "keys", "keys:app", "Make and revoke API keys."),
    (_CONNECT, "playbook", "playbook:app", "Read and check the document that decides."),
)

_LINE = 400
_INTERRUPTED = 130
"""Exit code of a process that Ctrl-C ended, as shells count it."""


def build() -> App:
    """Return the command line; the commands themselves are imported when called."""
    looked_at = sys.stdout.isatty()
    app = App(
        name="leadhub",
        help="One front door for every lead: durable intake, identity, scoring, routing, signed delivery.",
        version=_version,
        help_format="plaintext",
        help_formatter="default" if looked_at else "plain",
        # Into a pipe an option is a line: a file has no width to wrap at.
        console=None if looked_at else Console(width=_LINE),
        suppress_keyboard_interrupt=False,
    )
    for place, (group, name, target, text) in enumerate(_COMMANDS):
        app.command(f"leadhub.cli.{target}", name=name, help=text, group=group, sort_key=place)
    return app


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - only --version needs it

    try:
        return version("leadhub")
    except PackageNotFoundError:
        return "a checkout, not installed"


def run(tokens: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    try:
        result = build()(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        return _reader_left()
    except CycloptsError as error:
        return _misspelt(error, tokens)
    except Exception as error:  # noqa: BLE001 - the outermost edge; what is unknown is raised again
        return _explained(error)
    return result if isinstance(result, int) else 0


def _misspelt(error: CycloptsError, tokens: Sequence[str]) -> int:
    words = [token for token in tokens[:2] if token.replace("-", "").isalnum() and not token.startswith("-")]
    known = {name for _, name, _, _ in _COMMANDS}
    command = " ".join(["leadhub", *(words[:1] if words and words[0] in known else [])])
    _print_error([str(error).strip(), f"`{command} --help` shows what there is."])
    return 2


def _explained(error: Exception) -> int:
    from leadhub.cli.explain import explain  # noqa: PLC0415 - only errors need it

    told = explain(error)
    if told is None:
        raise error
    _print_error(told.lines)
    return told.code


def _print_error(lines: Sequence[str]) -> None:
    from leadhub.cli.wording import worded  # noqa: PLC0415 - only errors need it

    first, *rest = map(worded, lines)
    red, plain = ("\x1b[31m", "\x1b[0m") if sys.stderr.isatty() else ("", "")
    print(f"{red}leadhub:{plain} {first}", *rest, sep="\n", file=sys.stderr)


def _reader_left() -> int:
    """End quietly when the reader of a pipe has gone, as `| head` does; Python would complain at exit."""
    sys.stdout = open("/dev/null", "w", encoding="utf-8")  # noqa: SIM115, PTH123 - open until the process ends
    return 0
