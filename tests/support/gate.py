"""Parts of a gate for tests in which nobody posts too often and no form has a captcha."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from leadhub.domain.captcha import Challenge, Passed, Verdict


class NobodyIsAsked:
    async def verify(self, challenge: Challenge, secrets: Sequence[bytes], *, client_ip: str | None) -> Verdict:
        del challenge, secrets, client_ip
        return Passed()


class NoLimits:
    async def wait(self, options: Mapping[str, object], source_id: UUID, client_ip: str | None) -> float:
        del options, source_id, client_ip
        return 0.0
