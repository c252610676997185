"""What the doubles have, how they misbehave, and what they were asked."""

import asyncio
from dataclasses import dataclass, field, fields
from typing import Any

import orjson
from aiohttp import web


@dataclass(slots=True)
class World:
    """Everything that can be set. Names of documents' members that begin with `_` are for the doubles alone."""

    leads: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By the platform's id; a lead of Graph has a `form_id`."""
    forms: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Forms of Graph by id."""
    token: str = "a token of the double"  # noqa: S105 - of the double
    app_secret: str = "an app secret of the double"  # noqa: S105 - of the double
    refresh_token: str = "a refresh token of the double"  # noqa: S105 - of the double
    renewed_token: str = "a renewed token of the double"  # noqa: S105 - of the double
    expires_at: int = 0
    """When the token ends, in Unix seconds, as `debug_token` says it; 0: never."""
    subscribed: bool = True
    """Whether the page has the app, or the owner the webhook."""
    webhooks: list[str] = field(default_factory=list)
    """Subscribed at LinkedIn."""
    fail_every: int = 0
    """Each n-th request is answered with 500 and Graph's code 2; 0: none."""
    stumble: int = 0
    """Every request is answered with this status; 0: none."""
    throttle: int = 0
    """So many requests are answered with the platform's word for too many."""
    budget: int | None = None
    """Requests to Graph until that word; the share that is used up is told along with each answer. None: no limit."""
    allowed: int = 100
    """What the budget was when nothing of it was used."""
    minutes: int = 7
    """How long a throttled client is told to wait."""
    slow_seconds: float = 0
    nonsense: bool = False
    """Leads are answered with something that is no lead."""

    def set(self, values: dict[str, Any]) -> None:
        """Set what is named.

        Raises:
            KeyError: there is no such field.
        """
        known = {one.name for one in fields(self)}
        for name, value in values.items():
            if name not in known:
                raise KeyError(name)
            setattr(self, name, value)


@dataclass(slots=True)
class Double:
    """One world and its visitors."""

    world: World = field(default_factory=World)
    requests: int = 0
    paths: list[str] = field(default_factory=list)
    refused: int = 0
    """Requests that were beyond the budget."""

    def install(self, application: web.Application) -> None:
        """Serve the doubles' own addresses."""
        application.router.add_put("/_world", self._set)
        application.router.add_post("/_leads", self._add)
        application.router.add_get("/_seen", self._seen)

    async def arrive(self, request: web.Request) -> bool:
        """Note a request, as slowly as the world is; whether it is one that fails."""
        self.requests += 1
        number = self.requests
        self.paths.append(f"{request.method} {request.raw_path}")
        if self.world.slow_seconds:
            await asyncio.sleep(self.world.slow_seconds)
        return bool(self.world.stumble or (self.world.fail_every and number % self.world.fail_every == 0))

    def is_throttled(self) -> bool:
        """Whether this request is one too many."""
        if self.world.throttle > 0:
            self.world.throttle -= 1
            return True
        return False

    def is_spent(self) -> bool:
        """Whether this request is beyond the budget."""
        if self.world.budget is None:
            return False
        if self.world.budget <= 0:
            self.refused += 1
            return True
        self.world.budget -= 1
        return False

    async def _set(self, request: web.Request) -> web.Response:
        try:
            self.world.set(orjson.loads(await request.read()))
        except KeyError as error:
            return answer(400, {"error": f"there is no {error}"})
        self.requests, self.paths, self.refused = 0, [], 0
        return answer(200, {})

    async def _add(self, request: web.Request) -> web.Response:
        for lead in orjson.loads(await request.read())["leads"]:
            self.world.leads[str(lead["id"])] = lead
        return answer(200, {})

    async def _seen(self, request: web.Request) -> web.Response:
        del request
        return answer(
            200, {"requests": self.requests, "paths": self.paths, "refused": self.refused, "budget": self.world.budget}
        )


def answer(status: int, document: object, headers: dict[str, str] | None = None) -> web.Response:
    """Return a JSON answer."""
    return web.Response(
        status=status, body=orjson.dumps(document), content_type="application/json", headers=headers or {}
    )


def shown(lead: dict[str, Any], names: set[str] | None = None) -> dict[str, Any]:
    """Return a lead as it is shown: without what is ours, and with only what was asked for."""
    return {
        name: value for name, value in lead.items() if not name.startswith("_") and (names is None or name in names)
    }
