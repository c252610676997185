"""Channels: the kinds of senders that can be connected, how, and what a source would make of what one sends."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from leadhub.api.dependencies import Now, OpenResources, admin_router, needs
from leadhub.api.parameters import Id
from leadhub.api.problems import problems
from leadhub.api.sources import Options
from leadhub.channels.protocol import SecretFrom, Unpacked
from leadhub.channels.registry import CHANNELS
from leadhub.domain.credentials import Scope
from leadhub.domain.ids import SourceId
from leadhub.pipeline import sources as pipeline

router = admin_router("sources")

_CHANNEL: Final[Mapping[str, Any]] = {
    "name": "typeform",
    "title": "Typeform",
    "secret": "leadhub",
    "steps": ["In Typeform open the form, `Connect` > `Webhooks` > `Add a webhook`", "Endpoint: {url}"],
}
_SENT: Final[Mapping[str, Any]] = {"body": '{"Mail": "ada@example.com"}', "options": {"field_map": {"Mail": "email"}}}
_BECOMES: Final[Mapping[str, Any]] = {
    "content": {"fields": {"email": "ada@example.com"}},
    "dedupe_key": "s-17",
    "is_spam": False,
}


class ChannelOut(BaseModel):
    """One kind of sender."""

    model_config = ConfigDict(json_schema_extra={"example": dict(_CHANNEL)})

    name: str = Field(description="A source's `channel`, and a part of its path.")
    title: str
    secret: SecretFrom = Field(
        description="Who makes the secret: `leadhub` (make one, paste it there), `platform` (copy it from there), "
        "`nobody` (its address, or an API key, is what protects it)."
    )
    steps: list[str] = Field(description="What to do there; put the source's address for `{url}`, its secret likewise.")


class Channels(BaseModel):
    """All of them."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [dict(_CHANNEL)]}})

    items: list[ChannelOut]


class SampleIn(BaseModel):
    """A request as the platform would send it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": dict(_SENT)})

    body: Annotated[str, StringConstraints(max_length=500_000)]
    content_type: Annotated[str, StringConstraints(max_length=300)] = "application/json"
    options: Options | None = Field(
        default=None, description="Options to try; those of the source if absent. Nothing is saved."
    )


class Becomes(BaseModel):
    """What a submission would hold."""

    model_config = ConfigDict(json_schema_extra={"example": dict(_BECOMES)})

    content: dict[str, Any] = Field(description="Fields by canonical name, `custom` for what has none, and the rest.")
    dedupe_key: str | None = Field(description="A repeat with this key would be the same submission.")
    is_spam: bool


class Preview(BaseModel):
    """What a request would become; no submissions: it would be acknowledged, and nobody be found in it."""

    model_config = ConfigDict(json_schema_extra={"example": {"submissions": [dict(_BECOMES)]}})

    submissions: list[Becomes]


@router.get(
    "/channels",
    operation_id="list_channels",
    summary="List channels",
    openapi_extra=needs(Scope.SOURCES_WRITE),
    responses=problems(),
)
async def list_channels() -> Channels:
    """Every kind of sender that can be connected, with what to do at the other side."""
    return Channels(
        items=[
            ChannelOut(
                name=name,
                title=channel.guide.title,
                secret=channel.guide.secret,
                steps=list(channel.guide.steps),
            )
            for name, channel in CHANNELS.items()
        ]
    )


@router.post(
    "/sources/{source_id}/preview",
    operation_id="preview_source",
    summary="Try a request on a source",
    openapi_extra=needs(Scope.SOURCES_WRITE),
    responses=problems(400, 404, 413, 415),
)
async def preview_source(source_id: Id, sample: SampleIn, resources: OpenResources, now: Now) -> Preview:
    """Show what a request would become, with the source's options or with others. Nothing is checked or stored."""
    found = await pipeline.preview(
        resources.sessions,
        SourceId(source_id),
        body=sample.body.encode("utf-8", "surrogatepass"),
        content_type=sample.content_type,
        headers={},
        options=sample.options,
        now=now,
    )
    return shown(found)


def shown(found: Sequence[Unpacked]) -> Preview:
    """Return what was found as an answer."""
    return Preview(
        submissions=[
            Becomes(
                content=one.content.model_dump(mode="json", exclude_defaults=True),
                dedupe_key=one.dedupe_key,
                is_spam=one.is_spam,
            )
            for one in found
        ]
    )
