"""Measure attempts as they end, and what waits in the database when it is asked for; for Prometheus."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache

from prometheus_client import Histogram, generate_latest
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from leadhub import telemetry
from leadhub.domain.attempt import AttemptResult, classify
from leadhub.domain.ids import EndpointId
from leadhub.store import readiness as database

_DATABASE_SECONDS = 1.0
_MOST_ENDPOINTS = 100
"""Endpoints that have metrics of their own: each costs a monitoring system a dozen series."""


class Attempts:
    """Counts attempts: one a process. Endpoints beyond the first hundred that it meets are `other`."""

    def __init__(self) -> None:
        self._known: set[EndpointId] = set()

    def count(self, endpoint_id: EndpointId, result: AttemptResult) -> None:
        """Count one that ended."""
        outcome = classify(result)
        if len(self._known) < _MOST_ENDPOINTS:
            self._known.add(endpoint_id)
        endpoint = str(endpoint_id) if endpoint_id in self._known else "other"
        telemetry.ENDPOINT_ATTEMPTS.labels(endpoint, outcome).inc()
        telemetry.ATTEMPTS.labels(outcome).inc()
        telemetry.ATTEMPT_SECONDS.observe(result.duration_ms / 1000)
        timings = result.timings
        parts = (
            ("dns", timings.dns_ms),
            ("connect", timings.connect_ms),
            ("tls", timings.tls_ms),
            ("first_byte", timings.first_byte_ms),
        )
        for part, took_ms in parts:
            if took_ms is not None:
                _of_part(part).observe(took_ms / 1000)


@cache  # prometheus_client's own look-up takes a lock and makes strings
def _of_part(part: str) -> Histogram:
    return telemetry.ATTEMPT_PART_SECONDS.labels(part)


async def exposition(engine: AsyncEngine, *, now: datetime) -> bytes:
    """Return all metrics of this process as text; without PostgreSQL the gauges keep what they had."""
    with suppress(SQLAlchemyError, OSError):
        await _measure(engine, now=now)
    return generate_latest(telemetry.REGISTRY)


async def _measure(engine: AsyncEngine, *, now: datetime) -> None:
    async with asyncio.timeout(_DATABASE_SECONDS), engine.connect() as connection:
        found = await database.queue(connection, now=now)
        lanes = await database.lanes(connection, now=now, most=_MOST_ENDPOINTS)
    telemetry.QUEUE_DEPTH.set(found.waiting)
    telemetry.QUEUE_AGE.set(found.oldest_seconds)
    telemetry.QUEUE_FAILED.set(found.parked)
    _measure_endpoints(lanes)


def _measure_endpoints(lanes: Sequence[database.LaneLoad]) -> None:
    """Set the gauges of the endpoints that are worst off; those of all others are absent."""
    gauges = (
        telemetry.ENDPOINT_AGE,
        telemetry.ENDPOINT_IN_FLIGHT,
        telemetry.ENDPOINT_WIDTH,
        telemetry.ENDPOINT_FAILING,
    )
    for gauge in gauges:
        gauge.clear()
    for lane in lanes:
        figures = (lane.oldest_seconds, lane.in_flight, lane.width, lane.failing_seconds)
        for gauge, figure in zip(gauges, figures, strict=True):
            gauge.labels(str(lane.endpoint_id)).set(figure)
