"""Subscribe URLs, change, pause and resume them, and turn their signing secrets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.ext.asyncio import AsyncSession

from leadhub.domain.errors import InvalidInput
from leadhub.domain.events import EVENT_TYPES
from leadhub.domain.ids import EndpointId, Entropy, uuid7
from leadhub.domain.signature import format_private_key, format_public_key, format_secret, parse_signing_key
from leadhub.domain.subscription import (
    BasicAuth,
    ClientCredentials,
    Condition,
    Extras,
    Ordering,
    Payload,
    Poison,
    SignatureKind,
    check_headers,
    write_filter,
)
from leadhub.outbound.guard import check_url
from leadhub.outbound.jsonl import check_file, is_file
from leadhub.store import endpoints
from leadhub.store.endpoints import Endpoint, Limits, SealedSecret
from leadhub.store.engine import Sessions
from leadhub.store.idempotency import Repeatable, once
from leadhub.store.vault import Vault

Networks = Sequence[IPv4Network | IPv6Network]

SECRET_BYTES = 32
OVERLAP = timedelta(hours=24)
"""How long the old secret goes on signing beside the new one: a working day for the receiver's own deployment."""

_MOST_RETIRING = 2
"""Old secrets beside the new one; each is a signature more in every request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedEndpoint:
    """A new endpoint and its signing secret."""

    endpoint: Endpoint
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What an owner may ask for beyond the URL; None leaves a part as it is."""

    payload: Payload | None = None
    filter: Sequence[Condition] | None = None
    """Empty: every event of the types."""
    headers: Mapping[str, str] | None = None
    """All of them; empty: none."""
    authorization: BasicAuth | ClientCredentials | None = None
    drops_authorization: bool = False
    cap: int | None = None
    per_minute: int | None = None
    """0: no limit."""
    is_subscribed: bool | None = None
    ordering: Ordering | None = None
    poison: Poison | None = None
    schedule: Sequence[int] | None = None
    """Waits between attempts in seconds; empty: those of the standard."""


_AS_IT_IS = Options()


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointChanges:
    """What to change; None leaves a part as it is."""

    url: str | None = None
    description: str | None = None
    event_types: Sequence[str] | None = None
    include_test: bool | None = None
    options: Options = _AS_IT_IS


@dataclass(frozen=True, slots=True, kw_only=True)
class RevealedSecret:
    """What a receiver verifies with, and until when it signs; None means until it is rotated.

    Of a pair only the public half is shown: nobody but us needs the other.
    """

    secret: str
    created_at: datetime
    valid_until: datetime | None


async def create_endpoint(
    sessions: Sessions,
    vault: Vault,
    *,
    url: str,
    description: str = "",
    event_types: Sequence[str] = (),
    include_test: bool = False,
    options: Options = _AS_IT_IS,
    signature: SignatureKind = "v1",
    lane_cap: int,
    allowed_networks: Networks,
    has_folder: bool = False,
    now: datetime,
    entropy: Entropy,
    repeatable: Repeatable | None = None,
) -> CreatedEndpoint:
    """Subscribe a URL, or with `has_folder` a file, to events that happen from now on.

    Raises:
        InvalidInput: a URL that deliveries must not reach, an unknown event type, or headers that are ours to set.
    """
    _check_types(event_types)
    _check_url(url, allowed_networks, has_folder=has_folder)
    _check_options(options, allowed_networks)
    endpoint = Endpoint(
        id=EndpointId(uuid7(now, entropy(10))),
        url=url,
        description=description,
        event_types=tuple(event_types),
        include_test=include_test,
        state="active",
        state_because=None,
        version=1,
        created_at=now,
        updated_at=now,
    )
    endpoint = _with_options(endpoint, options, vault)

    async def insert() -> CreatedEndpoint:
        await endpoints.insert_endpoint(
            session, endpoint, lane_cap=options.cap or lane_cap, per_minute=options.per_minute or None
        )
        secret = await _add_secret(session, vault, endpoint.id, kind=signature, now=now, entropy=entropy)
        return CreatedEndpoint(endpoint=endpoint, secret=secret)

    async with sessions.begin() as session:
        return await once(session, repeatable, CreatedEndpoint, insert, now=now)


async def update_endpoint(
    sessions: Sessions,
    vault: Vault,
    endpoint_id: EndpointId,
    changes: EndpointChanges,
    *,
    expected_version: int | None,
    allowed_networks: Networks,
    has_folder: bool = False,
    now: datetime,
) -> Endpoint:
    """Change an endpoint; None for `expected_version` means: whatever it is now.

    A new URL takes an endpoint that deliveries had switched off back into service, and what waited for another try
    is tried now: it was the URL that was wrong. A paused one stays so.

    Raises:
        NotFound, PreconditionFailed: see `store.endpoints.lock_endpoint`.
        InvalidInput: a URL that deliveries must not reach, an unknown event type, or headers that are ours to set.
    """
    _check_options(changes.options, allowed_networks)
    _check_types(changes.event_types or ())
    if changes.url is not None:
        _check_url(changes.url, allowed_networks, has_folder=has_folder)
    async with sessions.begin() as session:
        endpoint = await endpoints.lock_endpoint(session, endpoint_id, expected_version=expected_version)
        changed = _with_options(_next(_with(endpoint, changes), now), changes.options, vault)
        await _limit(session, endpoint_id, changes.options)
        if changed.url != endpoint.url and endpoint.state != "paused":
            await endpoints.hasten(session, endpoint_id, now=now)
            return await _resume(session, changed)
        await endpoints.save_endpoint(session, changed)
        return changed


async def pause_endpoint(sessions: Sessions, endpoint_id: EndpointId, *, now: datetime) -> Endpoint:
    """Hold every delivery to an endpoint; doing it again changes nothing.

    Raises:
        NotFound: there is no such endpoint.
    """
    async with sessions.begin() as session:
        endpoint = await endpoints.lock_endpoint(session, endpoint_id)
        if endpoint.state == "paused":
            return endpoint
        paused = replace(_next(endpoint, now), state="paused", state_because="paused by hand")
        await endpoints.save_endpoint(session, paused)
        await endpoints.hold(session, endpoint_id)
        return paused


async def resume_endpoint(sessions: Sessions, endpoint_id: EndpointId, *, now: datetime) -> Endpoint:
    """Deliver again, what was held first; doing it again changes nothing.

    The caller nudges the deliverers afterwards.

    Raises:
        NotFound: there is no such endpoint.
    """
    async with sessions.begin() as session:
        endpoint = await endpoints.lock_endpoint(session, endpoint_id)
        return endpoint if endpoint.state == "active" else await _resume(session, _next(endpoint, now))


async def delete_endpoint(sessions: Sessions, endpoint_id: EndpointId, *, now: datetime) -> None:
    """Unsubscribe a URL for good.

    Raises:
        NotFound: there is no such endpoint.
    """
    async with sessions.begin() as session:
        await endpoints.lock_endpoint(session, endpoint_id)
        await endpoints.delete_endpoint(session, endpoint_id, now=now)


async def rotate_secret(
    sessions: Sessions,
    vault: Vault,
    endpoint_id: EndpointId,
    *,
    overlap: timedelta = OVERLAP,
    signature: SignatureKind | None = None,
    now: datetime,
    entropy: Entropy,
    repeatable: Repeatable | None = None,
) -> RevealedSecret:
    """Sign with a new secret, for a while with the old one too; of the same kind, unless another is asked for.

    Raises:
        NotFound: there is no such endpoint.
    """

    async def rotate() -> RevealedSecret:
        await endpoints.lock_endpoint(session, endpoint_id)
        kind = signature or await _current_kind(session, vault, endpoint_id, now=now)
        await endpoints.retire_secrets(session, endpoint_id, now=now, until=now + overlap, at_most=_MOST_RETIRING)
        secret = await _add_secret(session, vault, endpoint_id, kind=kind, now=now, entropy=entropy)
        return RevealedSecret(secret=secret, created_at=now, valid_until=None)

    async with sessions.begin() as session:
        return await once(session, repeatable, RevealedSecret, rotate, now=now)


async def reveal_secrets(
    sessions: Sessions, vault: Vault, endpoint_id: EndpointId, *, now: datetime
) -> list[RevealedSecret]:
    """Return the secrets that sign, newest first.

    Raises:
        NotFound: there is no such endpoint.
    """
    async with sessions() as session:
        await endpoints.get_endpoint(session, endpoint_id)
        sealed = await endpoints.secrets_of(session, endpoint_id, now=now)
    return [
        RevealedSecret(
            secret=_shown(vault.open(one.sealed, context=_context(one)).decode()),
            created_at=one.created_at,
            valid_until=one.valid_until,
        )
        for one in sealed
    ]


async def _resume(session: AsyncSession, endpoint: Endpoint) -> Endpoint:
    active = replace(endpoint, state="active", state_because=None)
    await endpoints.save_endpoint(session, active)
    await endpoints.release(session, active.id)
    return active


async def _add_secret(
    session: AsyncSession,
    vault: Vault,
    endpoint_id: EndpointId,
    *,
    kind: SignatureKind,
    now: datetime,
    entropy: Entropy,
) -> str:
    key = entropy(SECRET_BYTES)
    secret = format_secret(key) if kind == "v1" else format_private_key(Ed25519PrivateKey.from_private_bytes(key))
    note = SealedSecret(id=uuid7(now, entropy(10)), sealed=b"", created_at=now, valid_until=None)
    sealed = vault.seal(secret.encode(), context=_context(note))
    await endpoints.insert_secret(session, endpoint_id, replace(note, sealed=sealed))
    return _shown(secret)


def _shown(secret: str) -> str:
    key = parse_signing_key(secret)
    return secret if isinstance(key, bytes) else format_public_key(key)


async def _current_kind(
    session: AsyncSession, vault: Vault, endpoint_id: EndpointId, *, now: datetime
) -> SignatureKind:
    newest = (await endpoints.secrets_of(session, endpoint_id, now=now))[:1]
    is_pair = any(vault.open(one.sealed, context=_context(one)).startswith(b"whsk_") for one in newest)
    return "v1a" if is_pair else "v1"


async def _limit(session: AsyncSession, endpoint_id: EndpointId, options: Options) -> None:
    if options.cap is None and options.per_minute is None:
        return
    before = await endpoints.limits_of(session, endpoint_id)
    per_minute = before.per_minute if options.per_minute is None else options.per_minute or None
    await endpoints.save_limits(session, endpoint_id, Limits(cap=options.cap or before.cap, per_minute=per_minute))


def _context(secret: SealedSecret) -> str:
    return f"endpoint_secret:{secret.id}"


def _next(endpoint: Endpoint, now: datetime) -> Endpoint:
    return replace(endpoint, version=endpoint.version + 1, updated_at=now)


def _with(endpoint: Endpoint, changes: EndpointChanges) -> Endpoint:
    return replace(
        endpoint,
        url=endpoint.url if changes.url is None else changes.url,
        verified_at=endpoint.verified_at if changes.url in {None, endpoint.url} else None,
        description=endpoint.description if changes.description is None else changes.description,
        event_types=endpoint.event_types if changes.event_types is None else tuple(changes.event_types),
        include_test=endpoint.include_test if changes.include_test is None else changes.include_test,
    )


def _with_options(endpoint: Endpoint, options: Options, vault: Vault) -> Endpoint:
    """Return an endpoint with what its owner asks for; headers and authorization are sealed."""
    if options.payload is not None:
        endpoint = replace(endpoint, payload=options.payload)
    if options.filter is not None:
        endpoint = replace(endpoint, filter=write_filter(options.filter) if options.filter else None)
    if options.is_subscribed is not None:
        endpoint = replace(endpoint, is_subscribed=options.is_subscribed)
    endpoint = replace(
        endpoint, ordering=options.ordering or endpoint.ordering, poison=options.poison or endpoint.poison
    )
    if options.schedule is not None:
        endpoint = replace(endpoint, schedule=tuple(options.schedule) or None)
    if options.headers is None and options.authorization is None and not options.drops_authorization:
        return endpoint
    context = f"endpoint:{endpoint.id}"
    before = Extras.model_validate_json(vault.open(endpoint.extras, context=context)) if endpoint.extras else Extras()
    authorization = None if options.drops_authorization else options.authorization or before.authorization
    headers = before.headers if options.headers is None else dict(options.headers)
    extras = Extras(headers=headers, authorization=authorization)
    return replace(
        endpoint,
        extras=None if extras == Extras() else vault.seal(extras.model_dump_json().encode(), context=context),
        header_names=tuple(sorted(headers)),
        authorization=authorization.kind if authorization else None,
    )


def _check_url(url: str, allowed_networks: Networks, *, has_folder: bool) -> None:
    if is_file(url):
        check_file(url, has_folder=has_folder)
    else:
        check_url(url, allowed_networks)


def _check_options(options: Options, allowed_networks: Networks) -> None:
    check_headers(options.headers or {})
    if isinstance(options.authorization, ClientCredentials):
        try:
            check_url(options.authorization.token_url, allowed_networks)
        except InvalidInput as error:
            raise InvalidInput.at("#/authorization/token_url", str(error)) from None


def _check_types(event_types: Sequence[str]) -> None:
    if set(event_types) - set(EVENT_TYPES):
        raise InvalidInput.at("#/event_types", f"known types are {', '.join(EVENT_TYPES)}")
