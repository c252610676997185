"""The page on which somebody acted: its campaign, and what proves the visit."""

from dataclasses import dataclass
from typing import Final

from leadhub.channels.answers.reading import Group
from leadhub.channels.attribution import attribution, bare_url, stated_by_url, stated_value
from leadhub.domain.normalisation.text import clean_line
from leadhub.domain.submission import Evidence

_MAX_AGENT = 1_000
_MAX_ADDRESS = 45


@dataclass(frozen=True, slots=True)
class Browser:
    """What the person's own browser says; nothing where a platform's server speaks for it."""

    ip: str | None = None
    user_agent: str = ""
    referer: str = ""
    """The page that posted."""


NO_BROWSER: Final = Browser()
_NOTHING: Final = Evidence()


class Page:
    """Where somebody was, as far as hidden fields or the browser say."""

    def __init__(self, group: Group, browser: Browser = NO_BROWSER) -> None:
        self.said = {key: values[0] for key, (_, values) in group.items()}
        self.browser = browser
        self.landing = self.said.get("landing_page", "")
        self.referrer = bare_url(self.said.get("referrer") or self.said.get("referer") or "")
        """The form's word for the page before."""

    def attribution(self, group: Group) -> dict[str, str]:
        """Return hidden fields first, then what the page's, the landing page's and the browser's addresses say."""
        hidden = {place.target: text for place, values in group.values() if (text := stated_value(values[0]))}
        urls = (self.said.get("page_url", ""), self.landing, self.browser.referer)
        found = attribution([hidden, *map(stated_by_url, filter(None, urls))])
        if (landing := bare_url(self.landing)) is not None:
            found["landing_page"] = landing
        if self.referrer is not None:
            found["referrer"] = self.referrer
        return found

    def evidence(self) -> Evidence:
        """Return what proves the visit; addresses without their queries, which may hold personal data."""
        if self.browser is NO_BROWSER and not self.said:
            return _NOTHING
        address = self.browser.ip
        agent = clean_line(self.browser.user_agent)[:_MAX_AGENT]
        return Evidence(
            ip=address if address and len(address) <= _MAX_ADDRESS else None,
            user_agent=agent or None,
            page_url=bare_url(self.said.get("page_url", "")) or bare_url(self.browser.referer),
            referrer=self.referrer,
        )
