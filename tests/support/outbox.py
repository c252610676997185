"""Endpoints, events and deliveries with good defaults."""

import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from leadhub.domain.attempt import AttemptResult
from leadhub.domain.delivery import decide
from leadhub.domain.ids import AttemptId, EndpointId, EventId, LeadId, uuid7
from leadhub.domain.signature import format_secret
from leadhub.embedded import EmbeddedServers
from leadhub.pipeline.recording import finish
from leadhub.store import endpoints, events, lanes
from leadhub.store.deliveries import Finished
from leadhub.store.driver import Connection, transaction
from leadhub.store.endpoints import Endpoint, SealedSecret
from leadhub.store.engine import Sessions, create_sessions
from leadhub.store.events import NewEvent
from leadhub.store.lanes import Batch, Claimed, Room
from leadhub.store.vault import Vault

NOW = datetime.now(UTC)
LEASE = timedelta(seconds=30)
KEY = bytes(range(32))
_EMPTY = [
    text("DELETE FROM attempt"),
    text("DELETE FROM delivery"),
    text("DELETE FROM event"),
    text("DELETE FROM endpoint"),
]


@contextlib.asynccontextmanager
async def a_database(servers: EmbeddedServers, template: str, name: str) -> AsyncIterator[str]:
    """Make a migrated database for a whole file of tests: making one takes longer than most of them."""
    admin = await asyncpg.connect(servers.database_url.replace("+asyncpg", ""))
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    try:
        yield servers.database_url.replace("@/postgres?", f"@/{name}?")
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


def new_id(at: datetime = NOW) -> UUID:
    return uuid7(at, os.urandom(10))


@dataclass(frozen=True, slots=True)
class Outbox:
    """Puts things into a database, each in a transaction of its own."""

    engine: AsyncEngine
    vault: Vault | None = None

    @property
    def sessions(self) -> Sessions:
        return create_sessions(self.engine)

    async def empty(self) -> None:
        async with self.sessions.begin() as session:
            for statement in _EMPTY:
                await session.execute(statement)

    async def endpoint(
        self,
        url: str = "https://crm.example.com/hook",
        *,
        description: str = "",
        state: str = "active",
        types: Sequence[str] = (),
        include_test: bool = False,
        cap: int = 4,
        per_minute: int | None = None,
        **more: Any,
    ) -> EndpointId:
        endpoint_id = EndpointId(new_id())
        made = Endpoint(
            id=endpoint_id,
            url=url,
            description=description,
            event_types=tuple(types),
            include_test=include_test,
            state=state,
            state_because=None,
            version=1,
            created_at=NOW - timedelta(days=1),
            updated_at=NOW,
            **more,
        )
        async with self.sessions.begin() as session:
            await endpoints.insert_endpoint(session, made, lane_cap=cap, per_minute=per_minute)
            if self.vault is not None:
                secret_id = new_id()
                sealed = self.vault.seal(format_secret(KEY).encode(), context=f"endpoint_secret:{secret_id}")
                secret = SealedSecret(id=secret_id, sealed=sealed, created_at=NOW, valid_until=None)
                await endpoints.insert_secret(session, endpoint_id, secret)
        return endpoint_id

    async def events(self, count: int = 1, *, at: datetime = NOW, **changes: Any) -> list[EventId]:
        made = [an_event(at=at, sequence=number + 1, **changes) for number in range(count)]
        async with transaction(self.engine) as connection:
            await events.append(connection, made)
        return [event.id for event in made]

    async def claim(
        self, slots: int = 64, *, now: datetime = NOW, busy: dict[EndpointId, int] | None = None, **room: Any
    ) -> list[Claimed]:
        async with transaction(self.engine) as connection:
            return list((await claim(connection, slots, now=now, busy=busy, **room)).claimed)

    async def rows(self, query: str, **parameters: object) -> list[tuple[Any, ...]]:
        async with self.sessions() as session:
            return [tuple(row) for row in await session.execute(text(query), parameters)]

    async def states(self) -> dict[str, int]:
        return {
            str(state): int(count)
            for state, count in await self.rows("SELECT state, count(*) FROM delivery GROUP BY state")
        }


async def claim(
    connection: Connection,
    slots: int = 64,
    *,
    now: datetime = NOW,
    busy: dict[EndpointId, int] | None = None,
    doubtful: int = 64,
    host: int = 1_000,
    quick: Sequence[EndpointId] = (),
) -> Batch:
    room = Room(slots=slots, again=slots // 2, doubtful=doubtful, host=host, busy=busy or {}, quick=quick)
    found = await lanes.look(connection, room, now=now)
    if not found.lanes:
        return Batch(is_more=found.is_more)
    return await lanes.claim(
        connection,
        found,
        room,
        now=now,
        attempt_ids=[AttemptId(new_id()) for _ in range(slots)],
        lease_until=now + LEASE,
    )


def an_event(
    *,
    at: datetime = NOW,
    type: str = "lead.routed",  # noqa: A002 - the field's name
    is_test: bool = False,
    sequence: int = 1,
    lead_id: LeadId | None = None,
    body: bytes = b'{"type":"lead.routed"}',
) -> NewEvent:
    return NewEvent(
        id=EventId(new_id(at)),
        type=type,
        lead_id=lead_id or LeadId(new_id()),
        sequence=sequence,
        occurred_at=at,
        received_at=at,
        is_test=is_test,
        body=body,
    )


def result_of(claimed: Claimed, result: AttemptResult, *, now: datetime = NOW) -> Finished:
    decision = decide(result, attempt_number=claimed.lease.number, now=now, jitter=0.5)
    return finish(claimed.lease, result, decision, claimed=claimed, now=now)
