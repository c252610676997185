"""Measure what waits in the database, beside what a process counts itself; for Prometheus."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from prometheus_client import generate_latest
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from leadhub import telemetry
from leadhub.store import readiness as database

_DATABASE_SECONDS = 1.0
_MOST_ENDPOINTS = 100
"""Endpoints that have metrics of their own: each costs a monitoring system four series."""


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
