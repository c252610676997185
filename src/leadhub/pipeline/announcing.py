"""Tell the administrator of endpoints that fail: warnings with a date, and what was switched off."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from leadhub import telemetry
from leadhub.domain import events as models
from leadhub.domain.attempt import shown_location
from leadhub.domain.delivery import EndpointState
from leadhub.domain.ids import EndpointId, EventId
from leadhub.domain.lane import REDIRECTS, WARNINGS, Disable, Warn, next_step
from leadhub.store import deliveries, events, lanes
from leadhub.store.deliveries import SwitchedOff, SwitchOff
from leadhub.store.driver import Connection, connect, transaction
from leadhub.store.events import NewEvent

_log = telemetry.get_logger("deliver")

NewId = Callable[[], UUID]

EXPIRY_NOTICE = timedelta(days=14)
"""So long before something is given up, its endpoint is told of."""


async def warn_and_disable(engine: AsyncEngine, *, now: datetime, new_id: NewId) -> None:
    """Take the next step for each endpoint for which nothing has succeeded for long: warn of it, or switch it off."""
    async with connect(engine) as connection:
        found = await lanes.failing(connection, before=now - WARNINGS[0], redirects=REDIRECTS)
    for endpoint_id in found:
        async with transaction(engine) as connection:
            await _step(connection, endpoint_id, now=now, new_id=new_id)


async def _step(connection: Connection, endpoint_id: EndpointId, *, now: datetime, new_id: NewId) -> None:
    """Others may have taken the step meanwhile: what counts is how the endpoint does under its lock."""
    endpoint = await deliveries.lock_active(connection, endpoint_id)
    if endpoint is None:
        return
    health = (await lanes.lock_health(connection, [endpoint_id]))[endpoint_id]
    match next_step(health, now=now):
        case Warn(since=since, disabled_at=disabled_at):
            warned = replace(health, warnings=health.warnings + 1)
            await lanes.save_health(connection, {endpoint_id: warned})
            data = models.FailingData(
                endpoint_id=endpoint_id,
                url=shown_location(endpoint.url),
                failing_since=since,
                attempts=health.failing_attempts,
                because=health.because,
                will_be_disabled_at=disabled_at,
            )
            told = models.EndpointFailing(timestamp=now, data=data)
            await events.append(connection, [_new(told, now=now, new_id=new_id)])
            _log.warning("endpoint.failing", endpoint_id=str(endpoint_id), count=health.failing_attempts)
        case Disable(since=since):
            because = f"nothing has succeeded since {since:%Y-%m-%d %H:%M} UTC, in {health.failing_attempts} attempts"
            asked = SwitchOff(endpoint_id, version=endpoint.version, state=EndpointState.DISABLED, because=because)
            switched = await deliveries.switch_off(connection, [asked], now=now)
            await announce(connection, switched, now=now, new_id=new_id)
            await deliveries.hold(connection, switched)
        case None:
            pass


async def tell_of_expiry(engine: AsyncEngine, *, keep: timedelta, now: datetime, new_id: NewId) -> None:
    """Say for which endpoints something is held that will be given up within two weeks; again after a week."""
    async with transaction(engine) as connection:
        found = await lanes.expiring(connection, before=now + EXPIRY_NOTICE - keep, told_before=now - EXPIRY_NOTICE / 2)
        told = [
            models.EndpointExpiring(
                timestamp=now,
                data=models.ExpiringData(
                    endpoint_id=one.endpoint_id,
                    url=shown_location(one.url),
                    state=one.state,
                    deliveries=one.count,
                    will_be_given_up_at=one.oldest_at + keep,
                ),
            )
            for one in found
        ]
        await events.append(connection, [_new(event, now=now, new_id=new_id) for event in told])
        await lanes.note_expiry_told(connection, [one.endpoint_id for one in found], now=now)
    for one in found:
        _log.warning("endpoint.expiring", endpoint_id=str(one.endpoint_id), count=one.count)


async def announce(connection: Connection, switched: Sequence[SwitchedOff], *, now: datetime, new_id: NewId) -> None:
    """Append an event for each endpoint that was just switched off; before any delivery or lane is locked."""
    told = [
        models.EndpointDisabled(
            timestamp=now,
            data=models.DisabledData(
                endpoint_id=one.endpoint_id, url=shown_location(one.url), state=one.state, because=one.because
            ),
        )
        for one in switched
    ]
    await events.append(connection, [_new(event, now=now, new_id=new_id) for event in told])
    for one in switched:
        _log.warning("endpoint.switched_off", endpoint_id=str(one.endpoint_id), kind=one.state)


def _new(
    event: models.EndpointFailing | models.EndpointDisabled | models.EndpointExpiring, *, now: datetime, new_id: NewId
) -> NewEvent:
    return NewEvent(
        id=EventId(new_id()),
        type=event.type,
        lead_id=None,
        sequence=None,
        occurred_at=now,
        received_at=None,
        is_test=False,
        body=models.body(event),
    )
