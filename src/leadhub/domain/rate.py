"""A token bucket: so many a minute, as many at once after a quiet minute."""

from typing import NamedTuple


class Bucket(NamedTuple):
    """How much may still be taken, as of an instant."""

    tokens: float
    at: float
    """Seconds of any clock that only goes forward."""


def take(bucket: Bucket | None, *, per_minute: int, now: float) -> tuple[Bucket, float]:
    """Take one; return the bucket after it and how many seconds to wait before there is one, 0.0 if there was.

    >>> take(Bucket(1.0, 0.0), per_minute=6, now=0.0)
    (Bucket(tokens=0.0, at=0.0), 0.0)
    >>> take(Bucket(0.0, 0.0), per_minute=6, now=4.0)
    (Bucket(tokens=0.4, at=4.0), 6.0)
    """
    if bucket is None:
        bucket = Bucket(float(per_minute), now)
    refilled = min(float(per_minute), bucket.tokens + max(0.0, now - bucket.at) * per_minute / 60)
    if refilled >= 1:
        return Bucket(refilled - 1, now), 0.0
    return Bucket(refilled, now), (1 - refilled) * 60 / per_minute
