"""Every router of the HTTP face besides health, in the order of the OpenAPI document."""

from fastapi import APIRouter

from leadhub.api import (
    channels,
    deliveries,
    endpoints,
    events,
    imports,
    keys,
    leads,
    merges,
    overview,
    playbooks,
    quarantine,
    reviews,
    signing_secrets,
    source_tokens,
    sources,
    submissions,
)

ROUTERS: list[APIRouter] = [
    leads.router,
    merges.router,
    reviews.router,
    submissions.router,
    events.router,
    deliveries.router,
    overview.router,
    sources.router,
    playbooks.router,
    channels.router,
    source_tokens.router,
    quarantine.router,
    imports.router,
    imports.pieces,
    endpoints.router,
    signing_secrets.router,
    keys.router,
]
