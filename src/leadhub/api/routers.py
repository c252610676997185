"""Every router of the HTTP face besides health, in the order of the OpenAPI document."""

from fastapi import APIRouter

from leadhub.api import (
    channels,
    deliveries,
    endpoints,
    events,
    feedback,
    keys,
    leads,
    merges,
    nurture,
    overview,
    playbooks,
    quarantine,
    replays,
    reviews,
    routing,
    signing_secrets,
    source_health,
    sources,
    submissions,
    weights,
)

ROUTERS: list[APIRouter] = [
    leads.router,
    feedback.router,
    routing.router,
    merges.router,
    reviews.router,
    weights.router,
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
