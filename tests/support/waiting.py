"""Builders: a source, and submissions of it that wait to be processed, as capture would have stored them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from leadhub.domain.submission import Content
from leadhub.resources import Ids

new_id = Ids()


def content(
    fields: Mapping[str, str],
    *,
    activities: Sequence[str | Mapping[str, Any]] = (),
    consent: bool | None = True,
    external_id: str | None = None,
) -> Content:
    """A submission's content; activity types or whole activities; consent to marketing e-mail."""
    stated = [{"type": one} if isinstance(one, str) else one for one in activities]
    consents = [] if consent is None else [{"granted": consent}]
    return Content.model_validate(
        {"fields": fields, "activities": stated, "consents": consents, "external_id": external_id}
    )


_SOURCE = text(
    "INSERT INTO source (id, channel, name, key, enabled, options, version, created_at, updated_at) "
    "VALUES (:id, :channel, :name, :key, true, CAST(:options AS jsonb), 1, :now, :now)"
)
_SUBMISSION = text(
    "INSERT INTO submission (id, source_id, received_at, content, raw, raw_type, is_spam) "
    "VALUES (:id, :source, :at, CAST(:content AS jsonb), '', 'application/json', false)"
)
_PENDING = text("INSERT INTO pending_submission (submission_id, due_at, attempts) VALUES (:id, :now, 0)")


async def a_source(engine: AsyncEngine, *, channel: str = "api", **options: Any) -> UUID:
    source_id = new_id()
    row = {"id": source_id, "channel": channel, "name": f"source {source_id.hex[-4:]}", "key": source_id.hex}
    async with engine.begin() as connection:
        await connection.execute(_SOURCE, row | {"options": orjson.dumps(options).decode(), "now": datetime.now(UTC)})
    return source_id


async def received(engine: AsyncEngine, source_id: UUID, *contents: Content, at: datetime | None = None) -> list[UUID]:
    """Store submissions as pending, in this order, as if they had come now or at another time; return their ids."""
    now = datetime.now(UTC)
    rows: list[dict[str, Any]] = [
        {"id": new_id(), "source": source_id, "at": at or now, "now": now, "content": content.model_dump_json()}
        for content in contents
    ]
    async with engine.begin() as connection:
        await connection.execute(_SUBMISSION, rows)
        await connection.execute(_PENDING, rows)
    return [row["id"] for row in rows]


_HELD = text(
    "INSERT INTO quarantine (id, source_id, received_at, because, body, headers) "
    "VALUES (:id, :source, :now, 'nobody was found in it', :body, CAST(:headers AS jsonb))"
)


async def a_held_delivery(engine: AsyncEngine, source_id: UUID, body: bytes = b'{"Mail": "ada@example.com"}') -> UUID:
    """A delivery in quarantine."""
    held_id = new_id()
    headers = orjson.dumps({"content-type": "application/json"}).decode()
    row = {"id": held_id, "source": source_id, "now": datetime.now(UTC), "body": body, "headers": headers}
    async with engine.begin() as connection:
        await connection.execute(_HELD, row)
    return held_id
