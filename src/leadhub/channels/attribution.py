"""Where a visitor came from: campaign parameters and click ids, out of hidden fields or page addresses."""

import re
from collections.abc import Iterable, Mapping
from itertools import islice
from urllib.parse import unquote_plus

from leadhub.domain.normalisation.text import clean_line

_CLICKS = (
    *("gclid", "gbraid", "wbraid", "dclid"),  # Google
    *("fbclid", "_fbc", "_fbp", "ctwa_clid"),  # Meta
    *("li_fat_id", "msclkid", "ttclid", "_ttp", "twclid", "sccid", "epik", "rdt_cid", "yclid", "irclickid"),
    *("mc_cid", "mc_eid"),  # Mailchimp
    r"hsa_\w+",  # HubSpot
)
_CAMPAIGN = (
    r"utm_\w+",
    *("campaign_id", "campaign_name", "adset_id", "adset_name", "ad_id", "ad_name", "creative_id"),
    *("form_id", "form_name", "page_id"),
)
_CLICK = re.compile("|".join(_CLICKS), re.ASCII)
_KNOWN = re.compile("|".join((*_CAMPAIGN, *_CLICKS)), re.ASCII)
_IN_QUERY = re.compile(rf"(?:^|&)({_KNOWN.pattern})=([^&]+)", re.ASCII | re.IGNORECASE)
_MAX_VALUE = 500
"""Characters; longer ones are no parameter of any platform and are left out."""
_MAX_NAME = 64
_MOST = 60
"""Parameters kept of one address."""
_MAX_URL = 2_000


def is_attribution(name: str) -> bool:
    """Whether a lower-case parameter or field name says where somebody came from.

    >>> is_attribution("utm_source"), is_attribution("gclid"), is_attribution("message")
    (True, True, False)
    """
    return len(name) <= _MAX_NAME and _KNOWN.fullmatch(name) is not None


def attribution(places: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the attribution of the first places that know it.

    Campaign parameters are taken together from the first place that has any, and so are click ids: those of two visits
    mixed would credit a campaign that never was.

    >>> attribution([{"utm_source": "mail"}, {"utm_source": "ads", "utm_term": "crm", "gclid": "x"}])
    {'utm_source': 'mail', 'gclid': 'x'}
    """
    campaign: dict[str, str] = {}
    clicks: dict[str, str] = {}
    for place in filter(None, places):
        here = {name: text for name, text in place.items() if _is_click(name)}
        clicks = clicks or here
        if not campaign and len(place) > len(here):
            campaign = {name: text for name, text in place.items() if name not in here}
    return campaign | clicks


def stated_value(text: str) -> str:
    """Return a parameter's value on one line, or nothing if it is no value of any platform."""
    text = clean_line(text)
    return text if len(text) <= _MAX_VALUE else ""


def stated_by_url(url: str) -> dict[str, str]:
    """Return the attribution in an address's query, names in lower case, the first value of a repeated name.

    >>> stated_by_url("https://example.org/demo?UTM_Source=News+Letter&email=ada%40example.org#utm_term=x")
    {'utm_source': 'News Letter'}
    """
    query = url.partition("#")[0].partition("?")[2]
    found: dict[str, str] = {}
    for sent, value in islice(_IN_QUERY.findall(query), _MOST) if query else ():
        if len(sent) <= _MAX_NAME and (text := stated_value(unquote_plus(value))):
            found.setdefault(sent.lower(), text)
    return found


def bare_url(url: str) -> str | None:
    """Return an http address without query, fragment and user, which may hold personal data; None if it is none.

    >>> bare_url("https://ada:pw@example.org/demo?email=ada%40example.org"), bare_url("javascript:alert(1)")
    ('https://example.org/demo', None)
    """
    if not url:
        return None
    scheme, _, rest = clean_line(url).partition("#")[0].partition("?")[0].partition("://")
    scheme = scheme.lower()
    authority, slash, path = rest.partition("/")
    host = authority.rpartition("@")[2].lower()
    if scheme not in {"http", "https"} or not host:
        return None
    bare = f"{scheme}://{host}{slash}{path}"
    return bare if len(bare) <= _MAX_URL else None


def _is_click(name: str) -> bool:
    return _CLICK.fullmatch(name) is not None
