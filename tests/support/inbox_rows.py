"""Builders of what a channel hands to the inbox."""

import hashlib
import secrets
from datetime import UTC, datetime
from uuid import UUID

from leadhub.domain.ids import uuid7
from leadhub.store.inbox import NewSubmission

A_SOURCE = UUID("019bc0fd-89c0-7000-8000-000000000001")


def a_submission(
    *,
    body: bytes = b'{"email":"ada@example.com"}',
    content: str = '{"fields":{"email":"ada@example.com"}}',
    key: str | None = None,
    permanent: bool = False,
    is_spam: bool = False,
    source_id: UUID = A_SOURCE,
) -> NewSubmission:
    now = datetime.now(UTC)
    return NewSubmission(
        submission_id=uuid7(now, secrets.token_bytes(10)),
        source_id=source_id,
        received_at=now,
        content=content,
        raw=body,
        raw_type="application/json",
        is_spam=is_spam,
        dedupe_key=key,
        permanent_key=permanent,
        fingerprint=hashlib.sha256(body).digest(),
    )
