"""A language by a tag, a code or a name in a common language, as a BCP 47 tag.

`languages.txt` holds one language a line: its ISO 639-1 code, its ISO 639-2 codes, then its names in English, its own
and other languages. What it does not know is refused, so that a message is never written in a guessed language.
"""

import re
from importlib.resources import files

from leadhub.domain.normalisation.country import CODES, normalise_country
from leadhub.domain.normalisation.placeholders import is_placeholder
from leadhub.domain.normalisation.refusal import Reason, Refused
from leadhub.domain.normalisation.text import clean_line, fold

_MAX_INPUT = 200
_TAG = re.compile(
    r"(?P<language>[a-z]{2,3})(?:[-_](?P<script>[a-z]{4}))?(?:[-_](?P<region>[a-z]{2}|\d{3}))?(?:[.@][\w-]*)?",
    re.IGNORECASE | re.ASCII,
)
"""A tag with what software writes behind it: `de_AT.UTF-8`."""
_WITH_PLACE = re.compile(r"(?P<language>[^()/\[\]]+?)\s*(?:[(\[](?P<place>[^()\[\]]+)[)\]]|\s[-\u2013]\s(?P<dash>.+))")
_SCRIPTS = {
    "simplified": "Hans", "traditional": "Hant", "vereinfacht": "Hans", "traditionell": "Hant", "simplifie": "Hans",
    "traditionnel": "Hant", "simplificado": "Hans", "tradicional": "Hant",
    "简体": "Hans", "繁體": "Hant", "繁体": "Hant", "latin": "Latn", "cyrillic": "Cyrl",
}  # fmt: skip


def _load() -> dict[str, str]:
    """Read the table: folded code or name → ISO 639-1 code; a code counts before a name."""
    codes: dict[str, str] = {}
    names: dict[str, str] = {}
    for line in files(__package__).joinpath("languages.txt").read_text(encoding="utf-8").splitlines():
        code, longer_codes, spellings = line.split(" ", 2)
        codes |= dict.fromkeys((code, *longer_codes.split(",")), code)
        names |= dict.fromkeys((fold(name) for name in spellings.split(" | ")), code)
    return names | codes


_LANGUAGES = _load()
_SIMPLIFIED = {"简体中文": "zh-Hans", "繁體中文": "zh-Hant", "繁体中文": "zh-Hant"}


def normalise_language(raw: str) -> str | Refused:
    """Return a language as a BCP 47 tag in its usual case; of a browser's list the first.

    >>> normalise_language("EN_us"), normalise_language("Deutsch"), normalise_language("pt-br,pt;q=0.9")
    ('en-US', 'de', 'pt-BR')
    >>> normalise_language("English (UK)"), normalise_language("Klingon").reason.value
    ('en-GB', 'unknown_language')
    """
    if len(raw) > _MAX_INPUT:
        return Refused(Reason.TOO_LONG)
    text = clean_line(raw)
    if not text:
        return Refused(Reason.EMPTY)
    if is_placeholder(text):
        return Refused(Reason.PLACEHOLDER)
    first = text.split(",", 1)[0].split(";", 1)[0].strip()
    tag = _tag(first) or _SIMPLIFIED.get(first) or _LANGUAGES.get(fold(first)) or _with_place(first)
    return tag or Refused(Reason.UNKNOWN_LANGUAGE)


def _tag(text: str) -> str | None:
    """Return a text that is a tag already in the case of BCP 47 §2.1.1, its language by the shortest code.

    >>> _tag("ZH-hant-tw"), _tag("ger"), _tag("de_DE.UTF-8"), _tag("en-XX")
    ('zh-Hant-TW', 'de', 'de-DE', 'en')
    """
    found = _TAG.fullmatch(text)
    language = _LANGUAGES.get(found["language"].lower()) if found else None
    if found is None or language is None:
        return None
    region = (found["region"] or "").upper()
    if not region.isdigit():
        region = CODES.get(region, "")
    return "-".join(part for part in (language, (found["script"] or "").title(), region) if part)


def _with_place(text: str) -> str | None:
    """Read a name with a country or a script beside it, as menus write them: `Español (México)`."""
    found = _WITH_PLACE.fullmatch(text)
    language = _LANGUAGES.get(fold(found["language"])) if found else None
    if found is None or language is None:
        return None
    place = found["place"] or found["dash"]
    if script := _SCRIPTS.get(fold(place)):
        return f"{language}-{script}"
    country = normalise_country(place)
    return language if isinstance(country, Refused) else f"{language}-{country}"
