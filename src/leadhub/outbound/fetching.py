"""The platforms whose leads are fetched, each by the name of its channel."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from leadhub.outbound.asking import Asking
from leadhub.outbound.linkedin import LinkedIn
from leadhub.outbound.meta import Meta


@dataclass(frozen=True, slots=True, kw_only=True)
class Platforms:
    """Where the APIs are, and which version of them is spoken."""

    meta_url: str
    """With its version: https://graph.facebook.com/v26.0."""
    linkedin_url: str
    linkedin_oauth_url: str
    linkedin_version: str
    """YYYYMM."""


class Apis:
    """Every API over one client."""

    def __init__(self, platforms: Platforms, *, clock: Callable[[], datetime]) -> None:
        self._asking = Asking()
        self.meta = Meta(self._asking, url=platforms.meta_url)
        self.linkedin = LinkedIn(
            self._asking,
            url=platforms.linkedin_url,
            oauth_url=platforms.linkedin_oauth_url,
            version=platforms.linkedin_version,
            clock=clock,
        )
        self.by_channel: Mapping[str, Meta | LinkedIn] = {"meta": self.meta, "linkedin": self.linkedin}

    async def close(self) -> None:
        """Close the connections."""
        await self._asking.close()
