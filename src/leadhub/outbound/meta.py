"""Meta's Graph API, as far as leads are concerned. The table of errors is data.

Sources: developers.facebook.com, "Handle errors", "Rate limiting", "Retrieving leads" and "Webhooks for leadgen"; names
of fields as in facebook/facebook-business-sdk-codegen. Lists are paged by `after` on our own address: `paging.next` of
an answer carries the token, and is the platform's text, not ours.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from leadhub.domain.fetching import (
    Checked,
    Feeds,
    FeedSeen,
    Fetched,
    FetchResult,
    Later,
    NeedsReauth,
    Page,
    Refusal,
    Throttled,
    Usage,
)
from leadhub.outbound.asking import Account, Answer, Asking, objects_at, text_at

_FIELDS = (
    "id,created_time,ad_id,ad_name,adset_id,adset_name,campaign_id,campaign_name,form_id,is_organic,platform,"
    "partner_name,field_data,custom_disclaimer_responses"
)
"""Asked for by name: without it the names of ads and the disclaimers are missing."""
_FIELDS_WITHOUT_ADS = "id,created_time,form_id,is_organic,platform,field_data,custom_disclaimer_responses"
"""What may be read without a permission for ads."""
_FORM_FIELDS = "id,name,status,locale,questions{key,label,type,options},tracking_parameters,legal_content"
_KEPT = ("id", "name", "locale", "questions", "tracking_parameters", "legal_content")
_ROWS = 100
"""Leads a page; very large pages are answered with 500."""
_MOST_FORMS = 1_000
_ID = re.compile("[0-9]{1,40}")
_TRACE = re.compile("[A-Za-z0-9_-]{1,40}")

_DEAD_TOKEN = frozenset({"102", "190"})
_THROTTLED = frozenset({"4", "17", "32", "341", "613", "80001", "80005"})
_BLOCKED = "368"
_PERMISSION = re.compile("3|10|2[0-9][0-9]")
_NOT_THERE = "100"
_MISSING = "permission missing: leads_retrieval, pages_read_engagement, pages_manage_metadata or pages_manage_ads"
_UNSEEN = "not there or no access ({}): a deleted test lead, or look at Leads Access Manager"
_USAGES = ("x-app-usage", "x-page-usage", "x-ad-account-usage", "x-business-use-case-usage")
_PERCENTS = ("call_count", "total_cputime", "total_time")
_LAST_SECOND = 2**33
_LONGEST_MINUTES = 24 * 60


class Meta:
    """Asks the Graph API; each failure is a result with its reason."""

    def __init__(self, asking: Asking, *, url: str) -> None:
        """Take where the API is, with its version: https://graph.facebook.com/v26.0."""
        self._asking = asking
        self._url = url

    async def lead(self, object_id: str, account: Account) -> FetchResult:
        """Read one lead; without a permission for ads, what may be read of it."""
        answer = await self._get(f"/{object_id}", account, fields=_FIELDS)
        if isinstance(answer, Later) and answer.because.startswith(_MISSING):
            answer = await self._get(f"/{object_id}", account, fields=_FIELDS_WITHOUT_ADS)
        if not isinstance(answer, Answer):
            return answer
        if not text_at(answer.document(), "id"):
            return Later("the platform answered with something that is no lead")
        return Fetched(answer.body, usage_of(answer.headers))

    async def form(self, form_id: str, account: Account) -> FeedSeen | Refusal:
        """Read what a form asks."""
        answer = await self._get(f"/{form_id}", account, fields=_FORM_FIELDS)
        if not isinstance(answer, Answer):
            return answer
        document = answer.document()
        return _feed(document) if isinstance(document, dict) else Later("the platform answered with no form")

    async def feeds(self, account: Account) -> Feeds | Refusal:
        """Read all forms of the page."""
        found: list[FeedSeen] = []
        usage, cursor = Usage(), ""
        while len(found) < _MOST_FORMS:
            more = {"after": cursor} if cursor else {}
            page = f"/{account.option('page_id')}/leadgen_forms"
            answer = await self._get(page, account, fields=_FORM_FIELDS, limit=str(_ROWS), **more)
            if not isinstance(answer, Answer):
                return answer
            document = answer.document()
            usage = usage_of(answer.headers)
            found += [_feed(form) for form in objects_at(document, "data") if _ID.fullmatch(text_at(form, "id"))]
            cursor = _next(document) or ""
            if not cursor:
                break
        return Feeds(tuple(found), usage)

    async def page(
        self, feed_id: str, account: Account, *, since: datetime, until: datetime, cursor: str | None
    ) -> Page | Refusal:
        """Read a page of a form's leads made after an instant. Meta lists the newest first and has no upper bound."""
        del until
        newer = {"field": "time_created", "operator": "GREATER_THAN", "value": int(since.timestamp())}
        query = {"filtering": orjson.dumps([newer]).decode(), "limit": str(_ROWS)}
        query |= {"after": cursor} if cursor else {}
        answer = await self._get(f"/{feed_id}/leads", account, fields=_FIELDS, **query)
        if isinstance(answer, Later) and answer.because.startswith(_MISSING):
            answer = await self._get(f"/{feed_id}/leads", account, fields=_FIELDS_WITHOUT_ADS, **query)
        if not isinstance(answer, Answer):
            return answer
        document = answer.document()
        if not isinstance(document, dict) or not isinstance(document.get("data"), list):
            return Later("the platform answered with something that is no list")
        leads = [orjson.dumps(lead) for lead in objects_at(document, "data")]
        return Page(tuple(leads), _next(document), usage_of(answer.headers))

    async def check(self, account: Account) -> Checked | Refusal:
        """See that the page sends its leads to the app, have it do so again if it does not, and see what the token is.

        A page without the app is the most frequent cause of leads that never come.
        """
        edge = f"/{account.option('page_id')}/subscribed_apps"
        answer = await self._get(edge, account, fields="id,name,subscribed_fields")
        subscription = "subscribed"
        if isinstance(answer, Answer) and not _sends_leads(answer.document(), account.option("app_id")):
            subscription = "renewed"
            answer = await self._ask("POST", edge, account, {"subscribed_fields": "leadgen"})
        return Checked(subscription, await self._end(account)) if isinstance(answer, Answer) else answer

    async def _end(self, account: Account) -> datetime | None:
        """Return when the token ends, if it does and Meta says so."""
        answer = await self._get("/debug_token", account, input_token=account.token)
        ends = text_at(answer.document(), "data", "expires_at") if isinstance(answer, Answer) else ""
        is_dated = ends.isdigit() and 0 < int(ends) < _LAST_SECOND
        return datetime.fromtimestamp(int(ends), UTC) if is_dated else None

    async def _get(self, path: str, account: Account, **query: str) -> Answer | Refusal:
        return await self._ask("GET", path, account, query)

    async def _ask(self, method: str, path: str, account: Account, query: Mapping[str, str]) -> Answer | Refusal:
        proof = hmac.digest(account.app_secret, account.token.encode(), hashlib.sha256).hex()
        url = f"{self._url}{path}?{urlencode({**query, 'appsecret_proof': proof}, safe=',', quote_via=quote)}"
        answer = await self._asking.send(method, url, {"authorization": f"Bearer {account.token}"})
        return judge(answer) if isinstance(answer, Answer) else answer


def judge(answer: Answer) -> Answer | Refusal:
    """Return an answer that is none of Graph's errors, or what the error means.

    >>> judge(Answer(400, {}, b'{"error": {"code": 190, "error_subcode": 463}}'))
    NeedsReauth(because='the token is no longer valid (190/463)')
    """
    document = answer.document()
    if answer.status == 200 and isinstance(document, dict) and "error" not in document:
        return answer
    code, subcode = text_at(document, "error", "code"), text_at(document, "error", "error_subcode")
    trace = text_at(document, "error", "fbtrace_id")
    named = "/".join(filter(None, (code, subcode))) or str(answer.status)
    named += f", fbtrace_id {trace}" if _TRACE.fullmatch(trace) else ""
    if code in _DEAD_TOKEN or code == _BLOCKED:
        return NeedsReauth(
            f"{'blocked for a policy' if code == _BLOCKED else 'the token is no longer valid'} ({named})"
        )
    if code in _THROTTLED or answer.status == 429:
        return Throttled(f"rate limit ({named})", Usage(100, usage_of(answer.headers).wait).pause or timedelta())
    if _PERMISSION.fullmatch(code):
        return Later(f"{_MISSING} ({named})")
    because = f"the platform answered {named}" if code != _NOT_THERE else _UNSEEN.format(named)
    return Later(because, is_of_lead=code == _NOT_THERE)


def usage_of(headers: Mapping[str, str]) -> Usage:
    """Return how much of its limits Graph says is used up, the fullest counts; its estimates are in minutes.

    >>> usage_of({"x-app-usage": '{"call_count": 28, "total_time": 97, "total_cputime": 3}'}).percent
    97
    """
    parts = [part for name in _USAGES for part in _usage_parts(headers.get(name, ""))]
    percents = [part.get(name) for part in parts for name in _PERCENTS]
    waits = [part.get("estimated_time_to_regain_access") for part in parts]
    minutes = max((min(one, _LONGEST_MINUTES) for one in waits if isinstance(one, int) and one > 0), default=0)
    percent = max((int(one) for one in percents if isinstance(one, (int, float)) and 0 <= one < 10_000), default=0)
    return Usage(percent, timedelta(minutes=minutes))


def _usage_parts(header: str) -> list[dict[str, Any]]:
    """Return the objects of a usage header: one, or one for each business and kind of use."""
    try:
        usage = orjson.loads(header or "{}")
    except orjson.JSONDecodeError:
        return []
    if not isinstance(usage, dict):
        return []
    nested = [one for found in usage.values() if isinstance(found, list) for one in found if isinstance(one, dict)]
    return nested or [usage]


def _feed(form: Mapping[str, Any]) -> FeedSeen:
    """Return a form as far as its leads need it."""
    return FeedSeen(
        text_at(form, "id"), text_at(form, "name")[:500], {name: form[name] for name in _KEPT if name in form}
    )


def _next(document: object) -> str | None:
    paging = document.get("paging") if isinstance(document, dict) else None
    has_more = isinstance(paging, dict) and "next" in paging
    return text_at(paging, "cursors", "after") or None if has_more else None


def _sends_leads(document: object, app_id: str) -> bool:
    return any(
        "leadgen" in (app.get("subscribed_fields") or ()) and (not app_id or text_at(app, "id") == app_id)
        for app in objects_at(document, "data")
    )
