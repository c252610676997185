"""`leadhub serve` and `leadhub worker`: the two processes of production."""

import os
import signal
import sys
import threading
from typing import Annotated, Literal

from cyclopts import Parameter

from leadhub.cli.context import from_environment

WithParent = Annotated[bool, Parameter(show=False, negative="")]


def serve(*, host: str | None = None, port: int | None = None, with_parent: WithParent = False) -> None:
    """Run one gateway: takes leads in and answers the API.

    Args:
        host: Address to listen on instead of LEADHUB_HOST.
        port: Port to listen on instead of LEADHUB_PORT; 0 picks a free one.
        with_parent: Stop when standard input closes.
    """
    chosen = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = from_environment(**chosen)
    from leadhub import app  # noqa: PLC0415 - heavy, and of no use before the settings are known to be right

    _follow_parent(wanted=with_parent)
    app.serve(settings)


def worker(*, only: Literal["leads", "deliveries"] | None = None, with_parent: WithParent = False) -> None:
    """Run one worker: processes leads and delivers webhooks.

    Args:
        only: One half of it, where deliveries are to have processes, and perhaps a network, of their own.
        with_parent: Stop when standard input closes.
    """
    settings = from_environment()
    from leadhub.worker import Duty, run_worker  # noqa: PLC0415 - heavy, and of no use before the settings are right

    _follow_parent(wanted=with_parent)
    run_worker(settings, Duty(only or "all"))


def _follow_parent(*, wanted: bool) -> None:
    """Stop when the supervisor is gone, however it went: its end of our standard input closes with it.

    A signal on the parent's death (prctl) would do the same on Linux only.
    """
    if wanted:
        threading.Thread(target=_stop_at_end_of_input, name="parent", daemon=True).start()


def _stop_at_end_of_input() -> None:
    while sys.stdin.buffer.read(1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
