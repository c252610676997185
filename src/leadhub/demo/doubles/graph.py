"""The double of Meta's Graph API.

Source: developers.facebook.com, "Retrieving leads", "Handle errors", "Rate limiting" and "Paginated results".
"""

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web

from leadhub.demo.doubles.world import Double, answer, shown

_ADS = re.compile("(^|,)(ad_name|campaign_name|adset_name|ad_id)(,|$)")
_DEFAULT_ROWS = 25
_MOST_ROWS = 500
_WITHOUT_FIELDS = {"id", "created_time"}
PAGE = "153125381133"
"""The one page that there is."""


class Graph:
    """Answers as Graph does."""

    def __init__(self, double: Double) -> None:
        self._double = double

    def install(self, application: web.Application) -> None:
        """Serve Graph's addresses, of whatever version."""
        application.router.add_route("*", r"/v{version:[0-9]+\.[0-9]+}/{path:.+}", self._handle)

    async def _handle(self, request: web.Request) -> web.Response:
        world = self._double.world
        if await self._double.arrive(request):
            return answer(
                world.stumble or 500, {"error": {"code": 2, "message": "Service temporarily unavailable", **_COMMON}}
            )
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        proof = hmac.new(world.app_secret.encode(), token.encode(), hashlib.sha256).hexdigest()
        if token != world.token:
            return _error(400, 190, 463, "Error validating access token: Session has expired")
        if request.query.get("appsecret_proof") != proof:
            return _error(400, 100, None, "Invalid appsecret_proof provided in the API argument")
        if self._double.is_throttled() or self._double.is_spent():
            return _error(400, 80005, None, "There have been too many leads calls", self._usage(100))
        found = self._answer(request)
        if world.budget is not None:
            found.headers.update(self._usage(100 * (world.allowed - world.budget) // world.allowed))
        return found

    def _answer(self, request: web.Request) -> web.Response:  # noqa: PLR0911 - one for each address
        first, _, edge = request.match_info["path"].partition("/")
        match (request.method, edge):
            case ("POST", "subscribed_apps") if first == PAGE:
                self._double.world.subscribed = "leadgen" in request.query.get("subscribed_fields", "")
                return answer(200, {"success": self._double.world.subscribed})
            case ("GET", "subscribed_apps") if first == PAGE:
                app = {"id": "98765", "name": "LeadHub", "subscribed_fields": ["leadgen"]}
                return answer(200, {"data": [app] if self._double.world.subscribed else []})
            case ("GET", "leadgen_forms") if first == PAGE:
                return _listed(list(self._double.world.forms.values()), request)
            case ("GET", "leads"):
                return self._leads(first, request)
            case ("GET", "") if first == "debug_token":
                data = {"is_valid": True, "type": "PAGE", "expires_at": self._double.world.expires_at}
                return answer(200, {"data": data})
            case ("GET", "") if first in self._double.world.forms:
                return answer(200, self._double.world.forms[first])
            case ("GET", ""):
                return self._lead(first, request)
            case _:
                return _error(400, 100, 33, f"Unsupported {request.method.lower()} request")

    def _lead(self, lead_id: str, request: web.Request) -> web.Response:
        lead = self._double.world.leads.get(lead_id)
        asked = request.query.get("fields", "")
        if self._double.world.nonsense:
            return answer(200, {"surprise": [1, None, "…"]})
        if lead is None:
            return _error(400, 100, 33, "Unsupported get request. Object does not exist")
        if lead.get("_no_ads") and _ADS.search(asked):
            return _error(403, 200, None, "Requires pages_manage_ads permission")
        return answer(200, shown(lead, set(asked.split(",")) if asked else _WITHOUT_FIELDS))

    def _leads(self, form_id: str, request: web.Request) -> web.Response:
        """Answer a list, newest first; `since` is ignored here as it is there, only `filtering` counts."""
        rows = int(request.query.get("limit", _DEFAULT_ROWS))
        if rows > _MOST_ROWS:
            return _error(500, 1, None, "Please reduce the amount of data you're asking for")
        asked = request.query.get("fields", "")
        of_form = [lead for lead in self._double.world.leads.values() if lead.get("form_id") == form_id]
        if any(lead.get("_no_ads") for lead in of_form) and _ADS.search(asked):
            return _error(403, 200, None, "Requires pages_manage_ads permission")
        newer = _newer_than(request.query.get("filtering", "[]"))
        found = [lead for lead in of_form if _seconds(lead) > newer]
        found.sort(key=_seconds, reverse=True)
        return _listed([shown(lead, set(asked.split(",")) if asked else _WITHOUT_FIELDS) for lead in found], request)

    def _usage(self, percent: int) -> dict[str, str]:
        """Return the header by which Graph says how much of the limit is used up."""
        minutes = self._double.world.minutes if percent >= 100 else 0
        use = {
            "type": "leadgen",
            "call_count": percent,
            "total_cputime": percent // 4,
            "total_time": percent // 4,
            "estimated_time_to_regain_access": minutes,
        }
        return {"x-business-use-case-usage": orjson.dumps({PAGE: [use]}).decode()}


_COMMON = {"type": "OAuthException", "fbtrace_id": "AbCdEfGh"}


def _error(
    status: int, code: int, subcode: int | None, message: str, headers: dict[str, str] | None = None
) -> web.Response:
    error: dict[str, Any] = {"message": message, "code": code, **_COMMON}
    return answer(status, {"error": error | ({"error_subcode": subcode} if subcode else {})}, headers)


def _listed(rows: list[dict[str, Any]], request: web.Request) -> web.Response:
    """Answer a page of a list, with a cursor in which our offset is hidden."""
    count = int(request.query.get("limit", _DEFAULT_ROWS))
    after = request.query.get("after")
    start = int(base64.urlsafe_b64decode(after)) if after else 0
    end = min(start + count, len(rows))
    paging: dict[str, Any] = {"cursors": {"before": _cursor(start), "after": _cursor(end)}} if rows else {}
    if end < len(rows):
        paging["next"] = "https://graph.facebook.com/somewhere?access_token=not-to-be-followed"
    return answer(200, {"data": rows[start:end], "paging": paging})


def _cursor(offset: int) -> str:
    return base64.urlsafe_b64encode(str(offset).encode()).decode()


def _newer_than(filtering: str) -> int:
    for one in orjson.loads(filtering):
        if one["field"] == "time_created" and one["operator"] == "GREATER_THAN":
            return int(one["value"])
    return 0


def _seconds(lead: dict[str, Any]) -> float:
    return datetime.strptime(lead["created_time"], "%Y-%m-%dT%H:%M:%S%z").astimezone(UTC).timestamp()
