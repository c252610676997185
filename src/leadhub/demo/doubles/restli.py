"""The double of LinkedIn's REST API.

Source: learn.microsoft.com, LinkedIn "Lead Sync", "Rate limiting" and "Programmatic refresh tokens". Structure in a
query is literal, colons inside a URN are escaped: whoever writes it otherwise is told so, as there.
"""

import re
from typing import Any
from urllib.parse import parse_qs, unquote

import orjson
from aiohttp import web

from leadhub.demo.doubles.world import Double, answer, shown

_OLDEST = "202601"
_OWNER = re.compile(r"(^|&)owner=\((?:sponsoredAccount|organization):(urn%3Ali%3A[A-Za-z]+%3A[0-9]+)\)(&|$)")
_SPAN = re.compile(r"(^|&)submittedAtTimeRange=\(start:([0-9]+),end:([0-9]+)\)(&|$)")
_NUMBER = re.compile(r"(?:^|&)(count|start)=([0-9]+)")
_MOST_ROWS = 100
_HALF_A_YEAR = 15_552_000
_TWO_MONTHS = 5_184_000


class RestLi:
    """Answers as LinkedIn does."""

    def __init__(self, double: Double) -> None:
        self._double = double

    def install(self, application: web.Application) -> None:
        """Serve LinkedIn's addresses."""
        application.router.add_route("*", "/rest/{path:.+}", self._handle)
        application.router.add_post("/oauth/v2/accessToken", self._renew)

    async def _handle(self, request: web.Request) -> web.Response:  # noqa: PLR0911 - one for each fault
        world = self._double.world
        if await self._double.arrive(request):
            return _error(world.stumble or 500, None, "Internal error")
        if request.headers.get("authorization", "").removeprefix("Bearer ") != world.token:
            return _error(401, 65601, "The token used in the request has been revoked by the user")
        if request.headers.get("linkedin-version", "") < _OLDEST:
            return _error(426, None, "Requested version is not active")
        if request.headers.get("x-restli-protocol-version") != "2.0.0":
            return _error(400, None, "Syntax exception in path variables")
        if self._double.is_throttled():
            return _error(429, 101, "Resource level throttle limit for calls to this resource is reached")
        path, query = request.match_info["path"], request.rel_url.raw_query_string
        if path == "leadNotifications":
            return await self._notifications(request)
        if path == "leadFormResponses":
            return self._responses(query)
        return self._response(unquote(path.removeprefix("leadFormResponses/")), query)

    def _response(self, lead_id: str, query: str) -> web.Response:
        if "form:(hiddenFields," not in query:
            return _error(400, None, "Syntax exception in path variables")
        if self._double.world.nonsense:
            return answer(200, ["surprise", None])
        lead = self._double.world.leads.get(lead_id)
        return answer(200, shown(lead)) if lead else _error(404, None, "Not Found")

    def _responses(self, query: str) -> web.Response:
        owner, span = _OWNER.search(query), _SPAN.search(query)
        numbers = {name: int(value) for name, value in _NUMBER.findall(query)}
        if not owner or not span or "q=owner" not in query or "leadType=(leadType:" not in query:
            return _error(400, None, "Syntax exception in path variables")
        count, start = numbers.get("count", 10), numbers.get("start", 0)
        if count > _MOST_ROWS:
            return _error(400, None, "The count is too large")
        begin, end = int(span[2]), int(span[3])
        found = [
            lead
            for lead in self._double.world.leads.values()
            if "submittedAt" in lead
            and begin <= lead["submittedAt"] < end
            and lead.get("_owner", unquote(owner[2])) == unquote(owner[2])
        ]
        found.sort(key=lambda lead: int(lead["submittedAt"]))
        rows = [shown(lead) for lead in found[start : start + count]]
        return answer(200, {"elements": rows, "paging": {"start": start, "count": count, "total": len(found)}})

    async def _notifications(self, request: web.Request) -> web.Response:
        world = self._double.world
        if request.method == "POST":
            world.webhooks.append(orjson.loads(await request.read())["webhook"])
            return web.Response(status=201, headers={"x-restli-id": str(len(world.webhooks))})
        elements = [{"id": number, "webhook": url} for number, url in enumerate(world.webhooks, start=1)]
        return answer(200, {"elements": elements, "paging": {"start": 0, "count": 10, "total": len(elements)}})

    async def _renew(self, request: web.Request) -> web.Response:
        world = self._double.world
        if await self._double.arrive(request):
            return _error(world.stumble or 500, None, "Internal error")
        form = parse_qs((await request.read()).decode())
        if form.get("grant_type") != ["refresh_token"] or form.get("client_secret") != [world.app_secret]:
            return answer(401, {"error": "invalid_client", "error_description": "Client authentication failed"})
        if form.get("refresh_token") != [world.refresh_token]:
            return answer(400, {"error": "invalid_grant", "error_description": "The provided refresh token is invalid"})
        world.token = world.renewed_token
        renewed: dict[str, Any] = {
            "access_token": world.token,
            "expires_in": _TWO_MONTHS,
            "refresh_token": world.refresh_token,
            "refresh_token_expires_in": _HALF_A_YEAR,
        }
        return answer(200, renewed)


def _error(status: int, code: int | None, message: str) -> web.Response:
    document = {"status": status, "message": message} | ({"serviceErrorCode": code} if code else {})
    return answer(status, document)
