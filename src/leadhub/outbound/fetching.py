"""Read one lead at its platform: one bounded GET, and what its answer means for the lead and its connection.

Tables of errors are data. A platform that answers nonsense is tried again like one that does not answer.

Sources: developers.facebook.com, "Handle errors" and "Rate limiting" of the Graph API; learn.microsoft.com, LinkedIn
"Lead Sync" and "Rate limiting".
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx2
import orjson

from leadhub.domain.fetching import Fetched, FetchResult, Gone, Later, NeedsReauth, Throttled

_TIMEOUT = httpx2.Timeout(10, connect=5)
_MOST_BYTES = 1_000_000
_META_FIELDS = (
    "id,created_time,ad_id,ad_name,adset_id,adset_name,campaign_id,campaign_name,form_id,is_organic,platform,"
    "field_data,custom_disclaimer_responses"
)
"""Asked for by name: without it the names of ads and the disclaimers are missing."""
_META_LEAD_FIELDS = "id,created_time,form_id,is_organic,platform,field_data,custom_disclaimer_responses"
"""What may be read without a permission for ads."""
_LINKEDIN_FIELDS = (
    "ownerInfo,associatedEntityInfo,leadMetadataInfo,owner,leadType,versionedLeadGenFormUrn,id,submittedAt,testLead,"
    "formResponse,form:(hiddenFields,creationLocale,name,id,content)"
)
"""With the form, so that one request tells the questions too. Written into the address as it is: a library that
escapes parentheses and colons would break it."""
_META_DEAD_TOKEN = frozenset({"102", "190"})
_META_THROTTLED = frozenset({"4", "17", "32", "341", "613", "80001", "80005"})
_META_BLOCKED = "368"
_META_PERMISSION = re.compile("^(3|10|2[0-9][0-9])$")
_MISSING = "permission missing"
_META_REASONS = {
    "200": _MISSING + " ({}): leads_retrieval, pages_manage_ads",
    "100": "not there or no access ({}): a deleted test lead, or look at Leads Access Manager",
}
_A_WHILE = timedelta(minutes=5)
_LONGEST_PAUSE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Account:
    """What opens a platform's API."""

    token: str
    app_secret: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """A platform's answer, as far as it counts."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def document(self) -> object:
        """Return the JSON, or None."""
        try:
            found: object = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Platforms:
    """Where the APIs are, and which version of them is spoken."""

    meta_url: str
    """With its version: https://graph.facebook.com/v26.0."""
    linkedin_url: str
    linkedin_version: str
    """YYYYMM."""


class Fetcher:
    """Reads leads over one client."""

    def __init__(self, platforms: Platforms) -> None:
        self._platforms = platforms
        self._client = httpx2.AsyncClient(timeout=_TIMEOUT, follow_redirects=False, trust_env=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def fetch(self, channel: str, object_id: str, account: Account, *, now: datetime) -> FetchResult:
        """Read one lead; every failure is a result, with its reason."""
        try:
            if channel == "meta":
                return await self._meta(object_id, account)
            return await self._linkedin(object_id, account, now=now)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            return Later(f"no answer: {type(error).__name__}")

    async def _meta(self, object_id: str, account: Account) -> FetchResult:
        result: FetchResult = Later("not tried")
        for fields in (_META_FIELDS, _META_LEAD_FIELDS):  # the second without what needs a permission for ads
            proof = hmac.digest(account.app_secret, account.token.encode(), hashlib.sha256).hex()
            answer = await self._get(
                f"{self._platforms.meta_url}/{object_id}?fields={fields}&appsecret_proof={proof}",
                {"authorization": f"Bearer {account.token}"},
            )
            result = judge_meta(answer)
            if not (isinstance(result, Later) and result.because.startswith(_MISSING)):
                return result
        return result

    async def _linkedin(self, object_id: str, account: Account, *, now: datetime) -> FetchResult:
        answer = await self._get(
            f"{self._platforms.linkedin_url}/leadFormResponses/{object_id}?fields={_LINKEDIN_FIELDS}",
            {
                "authorization": f"Bearer {account.token}",
                "linkedin-version": self._platforms.linkedin_version,
                "x-restli-protocol-version": "2.0.0",
            },
        )
        return judge_linkedin(answer, now=now)

    async def _get(self, url: str, headers: Mapping[str, str]) -> Answer:
        async with self._client.stream("GET", url, headers=dict(headers)) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _MOST_BYTES:
                    break
            return Answer(response.status_code, {**response.headers}, bytes(body[: _MOST_BYTES + 1]))


def judge_meta(answer: Answer) -> FetchResult:
    """Return what Graph's answer means.

    >>> judge_meta(Answer(400, {}, b'{"error": {"code": 190, "error_subcode": 463}}'))
    NeedsReauth(because='the token is no longer valid (190/463)')
    """
    document = answer.document()
    if answer.status == 200 and _text(document, "id") and len(answer.body) <= _MOST_BYTES:
        return Fetched(answer.body)
    code, subcode = _text(document, "error", "code"), _text(document, "error", "error_subcode")
    named = "/".join(filter(None, (code, subcode))) or str(answer.status)
    if code in _META_DEAD_TOKEN:
        return NeedsReauth(f"the token is no longer valid ({named})")
    if code == _META_BLOCKED:
        return NeedsReauth(f"blocked for a policy ({named})")
    if code in _META_THROTTLED or answer.status == 429:
        return Throttled(f"rate limit ({named})", _meta_wait(answer.headers))
    return Later(_META_REASONS.get(_META_PERMISSION.sub("200", code), "the platform answered {}").format(named))


def _meta_wait(headers: Mapping[str, str]) -> timedelta:
    """Return how long Graph wants to be left alone: the longest of its estimates, in minutes."""
    try:
        usage = orjson.loads(headers.get("x-business-use-case-usage", "{}"))
    except orjson.JSONDecodeError:
        usage = {}
    waits = [
        _text(one, "estimated_time_to_regain_access")
        for found in (usage.values() if isinstance(usage, dict) else ())
        for one in (found if isinstance(found, list) else [found])
    ]
    minutes = max((int(wait) for wait in waits if wait.isdigit() and len(wait) < 6), default=0)
    return min(timedelta(minutes=minutes) or _A_WHILE, _LONGEST_PAUSE)


def judge_linkedin(answer: Answer, *, now: datetime) -> FetchResult:
    """Return what LinkedIn's answer means. Its quotas are a day's, and begin anew at midnight UTC."""
    document = answer.document()
    if answer.status == 200 and _text(document, "id") and len(answer.body) <= _MOST_BYTES:
        return Fetched(answer.body)
    code = _text(document, "serviceErrorCode") or str(answer.status)
    match answer.status:
        case 401:
            return NeedsReauth(f"the token is no longer valid, or its member lost the role ({code})")
        case 404:
            return Gone(f"there is no such response any more ({code})")
        case 429:
            return Throttled(f"the day's quota is used up ({code})", _until_midnight(now))
        case status:
            return Later(_LINKEDIN_REASONS.get(status, "the platform answered {}").format(code))


_LINKEDIN_REASONS = {
    403: _MISSING + " ({}): r_marketing_leadgen_automation",
    426: "this version of the API is no longer served ({}): set LEADHUB_LINKEDIN_VERSION",
}


def _until_midnight(now: datetime) -> timedelta:
    tomorrow = (now + timedelta(days=1)).replace(hour=0, minute=1, second=0, microsecond=0)
    return tomorrow - now


def _text(document: object, *path: str) -> str:
    """Return a scalar of a document as text, or nothing."""
    for step in path:
        document = document.get(step) if isinstance(document, dict) else None
    return str(document) if isinstance(document, (str, int)) else ""
