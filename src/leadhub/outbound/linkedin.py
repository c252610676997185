"""LinkedIn's REST API, as far as leads are concerned. The table of errors is data.

Sources: learn.microsoft.com, LinkedIn "Lead Sync", "Rate limiting" and "Programmatic refresh tokens". Rest.li reads
parentheses, colons and commas as structure and their escapes as text, so addresses are built by hand: a library that
escapes them would change what is asked.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

import orjson

from leadhub.domain.fetching import (
    Checked,
    Feeds,
    FeedSeen,
    Fetched,
    FetchResult,
    Gone,
    Later,
    NeedsReauth,
    Page,
    Refusal,
    Renewed,
    Throttled,
)
from leadhub.outbound.asking import Account, Answer, Asking, objects_at, text_at

_FIELDS = (
    "ownerInfo,associatedEntityInfo,leadMetadataInfo,owner,leadType,versionedLeadGenFormUrn,id,submittedAt,testLead,"
    "formResponse,form:(hiddenFields,creationLocale,name,id,content)"
)
"""With the form, so that one request tells the questions too."""
_ROWS = 100
"""Responses a page, the most there are."""
_OWNER = re.compile("urn:li:([A-Za-z]+):[0-9]+")
_REASONS = {
    403: "permission missing ({}): r_marketing_leadgen_automation",
    426: "this version of the API is no longer served ({}): set LEADHUB_LINKEDIN_VERSION",
}
_DAYS = 60
"""A token's life where the answer does not say it."""


class LinkedIn:
    """Asks the REST API; each failure is a result with its reason."""

    def __init__(
        self, asking: Asking, *, url: str, oauth_url: str, version: str, clock: Callable[[], datetime]
    ) -> None:
        """Take where the API and its tokens are, and the version to speak (YYYYMM)."""
        self._asking = asking
        self._url = url
        self._oauth_url = oauth_url
        self._version = version
        self._clock = clock

    async def lead(self, object_id: str, account: Account) -> FetchResult:
        """Read one response with its form."""
        answer = await self._ask("GET", f"/leadFormResponses/{object_id}?fields={_FIELDS}", account)
        if not isinstance(answer, Answer):
            return answer
        if not text_at(answer.document(), "id"):
            return Later("the platform answered with something that is no response")
        return Fetched(answer.body)

    async def feeds(self, account: Account) -> Feeds | Refusal:
        """Return the owner, whose responses are one list."""
        owner = account.option("owner")
        return Feeds((FeedSeen(owner, owner.rpartition("urn:li:")[2]),))

    async def page(
        self, feed_id: str, account: Account, *, since: datetime, until: datetime, cursor: str | None
    ) -> Page | Refusal:
        """Read a page of an owner's responses of a span of time; the cursor is the number of those before it."""
        start = int(cursor or 0)
        span = f"(start:{_milliseconds(since)},end:{_milliseconds(until)})"
        query = (
            f"q=owner&owner={_keyed(feed_id)}&leadType=(leadType:{account.option('lead_type')})"
            f"&limitedToTestLeads=false&submittedAtTimeRange={span}&fields={_FIELDS}&count={_ROWS}&start={start}"
        )
        answer = await self._ask("GET", f"/leadFormResponses?{query}", account)
        if not isinstance(answer, Answer):
            return answer
        document = answer.document()
        if not isinstance(document, dict) or not isinstance(document.get("elements"), list):
            return Later("the platform answered with something that is no list")
        found = objects_at(document, "elements")
        total = text_at(document, "paging", "total")
        seen = start + len(document["elements"])
        is_last = seen >= int(total) if total.isdigit() else len(document["elements"]) < _ROWS
        return Page(tuple(orjson.dumps(one) for one in found), None if is_last or not found else str(seen))

    async def check(self, account: Account) -> Checked | Refusal:
        """See that the owner's responses are announced to us, and subscribe again if they are not."""
        if not account.hook_url:
            return Checked("unknown")
        owner, lead_type = account.option("owner"), account.option("lead_type")
        query = f"q=criteria&owner=(value:{_keyed(owner)})&leadType=(leadType:{lead_type})"
        answer = await self._ask("GET", f"/leadNotifications?{query}", account)
        if not isinstance(answer, Answer):
            return answer
        if any(text_at(one, "webhook") == account.hook_url for one in objects_at(answer.document(), "elements")):
            return Checked("subscribed")
        wish = {"webhook": account.hook_url, "owner": {_kind(owner): owner}, "leadType": lead_type}
        answer = await self._ask("POST", "/leadNotifications", account, orjson.dumps(wish))
        return Checked("renewed") if isinstance(answer, Answer) else answer

    async def renew(self, account: Account) -> Renewed | Refusal:
        """Exchange the refresh token for a new access token; how long the refresh token lives is not moved by that."""
        form = {
            "grant_type": "refresh_token",
            "refresh_token": account.refresh_token or "",
            "client_id": account.option("client_id"),
            "client_secret": account.app_secret.decode(),
        }
        headers = {"content-type": "application/x-www-form-urlencoded"}
        answer = await self._asking.send("POST", self._oauth_url, headers, urlencode(form).encode())
        if not isinstance(answer, Answer):
            return answer
        document = answer.document()
        token = text_at(document, "access_token")
        if answer.status != 200 or not token:
            why = text_at(document, "error")[:40] or str(answer.status)
            if answer.status in {400, 401}:
                return NeedsReauth(f"the refresh token is no longer valid ({why}): reconnect")
            return Later(f"the token could not be renewed ({why})")
        now = self._clock()
        return Renewed(
            token,
            now + (_lasting(document, "expires_in") or timedelta(days=_DAYS)),
            text_at(document, "refresh_token") or None,
            now + lasting if (lasting := _lasting(document, "refresh_token_expires_in")) else None,
        )

    async def _ask(self, method: str, path: str, account: Account, content: bytes | None = None) -> Answer | Refusal:
        headers = {
            "authorization": f"Bearer {account.token}",
            "linkedin-version": self._version,
            "x-restli-protocol-version": "2.0.0",
        } | ({"content-type": "application/json"} if content else {})
        answer = await self._asking.send(method, self._url + path, headers, content)
        return judge(answer, now=self._clock()) if isinstance(answer, Answer) else answer


def judge(answer: Answer, *, now: datetime) -> Answer | Refusal:
    """Return an answer that is no error, or what the error means. Quotas are a day's, and begin anew at midnight UTC.

    >>> judge(Answer(404, {}, b"{}"), now=datetime(2026, 1, 15))
    Gone(because='there is no such response any more (404)')
    """
    if 200 <= answer.status < 300:
        return answer
    code = text_at(answer.document(), "serviceErrorCode") or str(answer.status)
    match answer.status:
        case 401:
            return NeedsReauth(f"the token is no longer valid, or its member lost the role ({code})")
        case 404:
            return Gone(f"there is no such response any more ({code})")
        case 429:
            return Throttled(f"the day's quota is used up ({code})", _until_midnight(now))
        case status:
            return Later(_REASONS.get(status, "the platform answered {}").format(code))


def _until_midnight(now: datetime) -> timedelta:
    tomorrow = (now + timedelta(days=1)).replace(hour=0, minute=1, second=0, microsecond=0)
    return tomorrow - now


def _milliseconds(instant: datetime) -> int:
    return int(instant.astimezone(UTC).timestamp() * 1_000)


def _kind(owner: str) -> str:
    """Return the name under which an owner is given.

    >>> _kind("urn:li:sponsoredAccount:123")
    'sponsoredAccount'
    """
    found = _OWNER.fullmatch(owner)
    return found[1] if found else ""


def _keyed(owner: str) -> str:
    """Return an owner as Rest.li writes it; the colons of a URN are text, so they are escaped.

    >>> _keyed("urn:li:organization:5")
    '(organization:urn%3Ali%3Aorganization%3A5)'
    """
    return f"({_kind(owner)}:{quote(owner, safe='')})"


def _lasting(document: object, name: str) -> timedelta | None:
    seconds = text_at(document, name)
    return timedelta(seconds=int(seconds)) if seconds.isdigit() and len(seconds) < 10 else None
