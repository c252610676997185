"""Ask a captcha's provider about a token: one bounded POST through the guarded sender.

A provider that hangs must not hold up the leads of other sources: few are asked at once, and after some failures in a
row none is asked for a while; the form's own choice then decides what becomes of it.
"""

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlencode

import orjson

from leadhub import telemetry
from leadhub.domain.captcha import Challenge, Unreachable, Verdict, judge
from leadhub.outbound.webhook import USER_AGENT, WebhookSender

_SECONDS = 3.0
_AT_ONCE = 100
_FAILURES = 5
"""In a row; then nobody is asked for `_REST_SECONDS`."""
_REST_SECONDS = 10.0
_HEADERS = {
    "User-Agent": USER_AGENT,
    "Content-Type": "application/x-www-form-urlencoded",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
}

_log = telemetry.get_logger("captcha")


class Verifier:
    """Verifies tokens for one process."""

    def __init__(self, sender: WebhookSender, urls: Mapping[str, str], *, clock: Callable[[], float]) -> None:
        """Take each provider's address and a clock that only goes forward, in seconds."""
        self._sender = sender
        self._urls = urls
        self._clock = clock
        self._under_way = 0
        self._failures: dict[str, int] = {}
        self._rests_until: dict[str, float] = {}

    async def verify(self, challenge: Challenge, secrets: Sequence[bytes], *, client_ip: str | None) -> Verdict:
        """Return what the provider says of a token.

        A secret that it does not know uses no token up, so every live secret is tried.
        """
        verdict: Verdict = Unreachable("captcha: the source has no secret for its captcha")
        for secret in secrets:
            verdict = await self._ask(challenge, secret, client_ip=client_ip)
            if not (isinstance(verdict, Unreachable) and "secret" in verdict.because):
                break
        return verdict

    async def _ask(self, challenge: Challenge, secret: bytes, *, client_ip: str | None) -> Verdict:
        provider = challenge.provider
        if self._under_way >= _AT_ONCE or self._clock() < self._rests_until.get(provider, 0.0):
            return Unreachable("captcha: the provider does not answer")
        parameters = {"secret": secret.decode("utf-8", "replace"), "response": challenge.token}
        if client_ip:
            parameters["remoteip"] = client_ip
        self._under_way += 1
        try:
            body = urlencode(parameters).encode("ascii")
            result = await self._sender.post(self._urls[provider], body, _HEADERS, total_seconds=_SECONDS)
        finally:
            self._under_way -= 1
        if result.status is None or result.status >= 500 or result.status == 429:
            self._note_failure(provider)
            return Unreachable("captcha: the provider does not answer")
        self._failures[provider] = 0
        try:
            return judge(orjson.loads(result.body), challenge.expected)
        except orjson.JSONDecodeError:
            return Unreachable("captcha: the provider's answer makes no sense")

    def _note_failure(self, provider: str) -> None:
        self._failures[provider] = self._failures.get(provider, 0) + 1
        if self._failures[provider] >= _FAILURES:
            self._failures[provider] = 0
            self._rests_until[provider] = self._clock() + _REST_SECONDS
            _log.warning("captcha.rests", kind=provider)
