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
    overview,
    playbooks,
    reviews,
    signing_secrets,
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
    overview.router,
    sources.router,
    playbooks.router,
    channels.router,
    endpoints.router,
    signing_secrets.router,
    keys.router,
]
