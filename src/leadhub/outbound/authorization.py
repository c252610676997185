"""The `Authorization` header of a webhook: basic, or a token that is fetched and kept until it expires."""

import asyncio
import base64
import json
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from leadhub.domain.attempt import AttemptResult
from leadhub.domain.subscription import BasicAuth, ClientCredentials
from leadhub.outbound.webhook import WebhookSender

_MOST_TOKENS = 1_000
_SECONDS = 5.0
"""Longest wait for a token: it lies within the time by which a lease outlasts an attempt."""
_MARGIN_SECONDS = 30
"""A token is fetched anew so long before it expires."""
_LIFE_SECONDS = 300
"""Of a token whose server does not say how long it lives."""
_LONGEST_TOKEN = 8_000


class NoToken(Exception):
    """The authorization server gave no token."""


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    until: float


class Authorizer:
    """Makes `Authorization` headers; keeps tokens in memory only. One a process."""

    def __init__(self, sender: WebhookSender) -> None:
        self._sender = sender
        self._tokens: dict[ClientCredentials, _Token] = {}
        self._fetching: dict[ClientCredentials, asyncio.Task[_Token]] = {}

    async def header(self, how: BasicAuth | ClientCredentials) -> str:
        """Return the header's value.

        Raises:
            NoToken: the authorization server gave none.
        """
        if isinstance(how, BasicAuth):
            return _basic(how.username, how.password)
        token = self._tokens.get(how)
        if token is None or token.until <= asyncio.get_running_loop().time():
            token = await self._fetch_once(how)
        return f"Bearer {token.value}"

    def forget(self, how: BasicAuth | ClientCredentials) -> None:
        """Drop a token that the receiver refused: the next request fetches another."""
        if isinstance(how, ClientCredentials):
            self._tokens.pop(how, None)

    async def _fetch_once(self, how: ClientCredentials) -> _Token:
        """Have one request under way, however many deliveries wait for its token."""
        task = self._fetching.get(how)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._fetch(how))
            self._fetching[how] = task
            task.add_done_callback(lambda _: self._fetching.pop(how, None))
        return await asyncio.shield(task)

    async def _fetch(self, how: ClientCredentials) -> _Token:
        form = {"grant_type": "client_credentials"} | ({"scope": how.scope} if how.scope else {})
        # RFC 6749 §2.3.1: both are form-encoded before they are joined.
        headers = {
            "Authorization": _basic(quote(how.client_id, safe=""), quote(how.client_secret, safe="")),
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        answer = await self._sender.post(
            how.token_url, urlencode(form).encode(), headers, total_seconds=min(_SECONDS, self._sender.total_seconds)
        )
        token = _read(answer, now=asyncio.get_running_loop().time())
        if len(self._tokens) >= _MOST_TOKENS:
            self._tokens.clear()
        self._tokens[how] = token
        return token


def _basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode("ascii")


def _read(answer: AttemptResult, *, now: float) -> _Token:
    if answer.status != 200:
        raise NoToken
    try:
        document = json.loads(answer.body)
        value, seconds = document["access_token"], document.get("expires_in", _LIFE_SECONDS)
        until = now + max(0.0, float(seconds) - _MARGIN_SECONDS)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise NoToken from error
    is_sendable = isinstance(value, str) and 0 < len(value) <= _LONGEST_TOKEN
    if not is_sendable or not value.isascii() or not value.isprintable():
        raise NoToken
    return _Token(value, until)
