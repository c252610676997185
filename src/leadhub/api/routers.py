"""Every router of the HTTP face besides health, in the order of the OpenAPI document."""

from fastapi import APIRouter

from leadhub.api import (
    channels,
    deliveries,
    endpoints,
    events,
    keys,
    leads,
    merges,
    overview,
    playbooks,
    reviews,
    signing_secrets,
    sources,
    submissions,
    weights,
)

ROUTERS: list[APIRouter] = [
    leads.router,
    merges.router,
    reviews.router,
    weights.router,
    submissions.router,
    events.router,
    deliveries.router,
    overview.router,
    sources.router,
    playbooks.router,
    channels.router,
    endpoints.router,
    signing_secrets.router,
    keys.router,
]
