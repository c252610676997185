"""Every router of the HTTP face besides health, in the order of the OpenAPI document."""

from fastapi import APIRouter

from leadhub.api import (
    channels,
    deliveries,
    edits,
    endpoints,
    events,
    keys,
    leads,
    merges,
    nurture,
    overview,
    playbooks,
    quarantine,
    replays,
    reviews,
    signing_secrets,
    source_health,
    sources,
    submissions,
)

ROUTERS: list[APIRouter] = [
    leads.router,
    edits.router,
    merges.router,
    reviews.router,
    submissions.router,
    events.router,
    deliveries.router,
    replays.router,
    nurture.router,
    overview.router,
    sources.router,
    source_health.router,
    playbooks.router,
    channels.router,
    quarantine.router,
    endpoints.router,
    signing_secrets.router,
    keys.router,
]
