"""Identifiers: what each one names, and how a time-ordered one is made."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NewType
from uuid import UUID

ApiKeyId = NewType("ApiKeyId", UUID)
SourceId = NewType("SourceId", UUID)
SubmissionId = NewType("SubmissionId", UUID)
LeadId = NewType("LeadId", UUID)
EventId = NewType("EventId", UUID)
EndpointId = NewType("EndpointId", UUID)
DeliveryId = NewType("DeliveryId", UUID)
AttemptId = NewType("AttemptId", UUID)
ReplayId = NewType("ReplayId", UUID)

Entropy = Callable[[int], bytes]
"""Draws so many random bytes: `secrets.token_bytes` at every edge, a counter in a test."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RANDOM_BYTES = 10


def uuid7(now: datetime, entropy: bytes) -> UUID:
    """Return the UUIDv7 of an instant.

    Args:
        now: aware; its millisecond becomes the leading 48 bits.
        entropy: at least 10 bytes; equal bytes at an equal instant give an equal id.

    Source: RFC 9562 §5.7.

    >>> uuid7(datetime(2026, 1, 15, 9, 30, tzinfo=UTC), bytes(10))
    UUID('019bc0fd-89c0-7000-8000-000000000000')
    """
    return UUID(int=uuid7_number((now - _EPOCH) // timedelta(milliseconds=1), entropy))


def uuid7_number(milliseconds: int, entropy: bytes) -> int:
    """Return the 128 bits of a UUIDv7 as a number.

    Args:
        milliseconds: since 1970.
        entropy: at least 10 bytes.
    """
    random = int.from_bytes(entropy[:_RANDOM_BYTES], "big")
    value = (milliseconds & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76 | ((random >> 62) & 0xFFF) << 64
    return value | 0b10 << 62 | (random & ((1 << 62) - 1))


def first_uuid7(instant: datetime) -> UUID:
    """Return the smallest UUIDv7 that an instant can have: the lower bound of a time range over ids."""
    return uuid7(instant, bytes(_RANDOM_BYTES))


def uuid7_time(value: UUID) -> datetime:
    """Return the instant, to the millisecond, at which a UUIDv7 was made."""
    return _EPOCH + timedelta(milliseconds=value.int >> 80)
