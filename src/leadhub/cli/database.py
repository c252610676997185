"""Commands that work on the database of the LeadHub found, without its gateway: they need no API key and no port."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from leadhub import telemetry
from leadhub.cli import context
from leadhub.cli.errors import UserError
from leadhub.resources import Resources, open_resources

T = TypeVar("T")

entropy = secrets.token_bytes


def now() -> datetime:
    """Read the clock: a command is an edge."""
    return datetime.now(UTC)


def use(work: Callable[[Resources], Awaitable[T]]) -> T:
    """Run a command's work on the LeadHub that it may use, and return its answer.

    Raises:
        UserError: there is none.
    """
    deployment = context.find()
    # A command's own lines are its answer; what a library grumbles belongs into nobody's terminal.
    telemetry.configure_logging(log_format="console", level="error")

    async def run() -> T:
        async with open_resources(deployment.settings) as resources:
            return await work(resources)

    return asyncio.run(run())


def an_id(text: str, of: str) -> UUID:
    """Return an id as typed.

    Raises:
        UserError: it is none.
    """
    try:
        return UUID(text)
    except ValueError:
        raise UserError(f"'{text}' is no id.", f"`leadhub {of} list` shows them.") from None
