"""`leadhub demo`: the whole journey with sample leads."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

from leadhub.cli.console import say
from leadhub.cli.errors import UserError
from leadhub.cli.options import Flag
from leadhub.demo.servers import fresh_servers


def demo(*, pace: float = 8.0, exit_: Flag = False) -> int:
    """Show the whole journey with sample leads; nothing of it stays.

    Starts a PostgreSQL, a Valkey, a gateway, a worker, a form page and a CRM of its own on free ports, sends the
    sample leads over HTTP, and checks that every number adds up. It touches no other LeadHub.

    Args:
        pace: Leads a second; 0 sends them as fast as they are taken.
        exit_: Leave at the end instead of staying up: exit code 0 if every number added up, else 1.
    """
    if pace < 0:
        raise UserError(f"--pace {pace:g} goes backwards.", "It is 0 (as fast as possible) or more.")
    say("starting PostgreSQL and Valkey")
    with ThreadPoolExecutor(1) as beside:
        # Most of a cold start is Python reading modules: let it read ours while the servers make their files.
        beside.submit(import_module, "leadhub.cli.board")
        beside.submit(import_module, "leadhub.demo.runner")
        with fresh_servers() as servers:
            from leadhub.cli.board import Board  # noqa: PLC0415 - see above
            from leadhub.demo import runner  # noqa: PLC0415 - heavy

            board = Board()
            try:
                runner.run(servers, board, pace=pace, exit_at_end=exit_)
            except asyncio.CancelledError:
                pass  # Ctrl-C: how a demo that stays up is meant to end
            finally:
                board.close()
    say("stopped; nothing was kept")
    return 0 if board.is_well else 1
