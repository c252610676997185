"""A full name into its parts.

There is no rule for all names, only customs. The order in which they are tried: what the writer shows (a comma, a
family name in capitals), the script, the country, words that occur in one part only (particles, titles, frequent
names), and last the Western habit of given names first.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from leadhub.domain.normalisation import name_tables as tables
from leadhub.domain.normalisation.name_case import is_shouted
from leadhub.domain.normalisation.name_script import split_unspaced
from leadhub.domain.normalisation.text import fold

_NICKNAME = re.compile(r"\([^()]*\)|[\"“”„«»][^\"“”„«»]*[\"“”„«»]|(?<!\w)'[^']*'(?!\w)")
_EASTERN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af々]")
_MIDDLE_DOT = re.compile(r"\s*[・·•‧]\s*")
_MAX_WORDS = 20


@dataclass(frozen=True, slots=True)
class Parts:
    """The words of a name by their part, in the case in which they came."""

    first: str = ""
    middle: str = ""
    last: str = ""
    suffix: str = ""


def split_full(text: str, country: str | None) -> Parts:
    """Return the parts of a cleaned full name.

    >>> split_full("Baker, Miles, Jr.", None)
    Parts(first='Miles', middle='', last='Baker', suffix='Jr.')
    >>> split_full("Prof. Dr. Annette von Droste", "DE")
    Parts(first='Annette', middle='', last='von Droste', suffix='')
    """
    bare = " ".join(_NICKNAME.sub(" ", text).split()) or text
    chunks = [chunk.split() for chunk in bare.split(",") if chunk.strip()]
    if not chunks:
        return Parts()
    suffix = ""
    kept: list[list[str]] = []
    for position, chunk in enumerate(chunks):
        words, found = without_ends(chunk, country, is_behind_comma=position > 0)
        suffix = suffix or found
        if words:
            kept.append(words[:_MAX_WORDS])
    parts = _around_comma(kept, country) if len(kept) > 1 else _in_order(kept, bare, country)
    return replace(parts, suffix=suffix)


def without_ends(words: Sequence[str], country: str | None, *, is_behind_comma: bool = False) -> tuple[list[str], str]:
    """Drop titles in front and degrees behind; return the rest and the generation suffix.

    >>> without_ends(["Dr.", "Ada", "King", "Jr", "PhD"], None)
    (['Ada', 'King'], 'Jr.')
    >>> without_ends(["Yo-Yo", "Ma"], None), without_ends(["Ada", "King", "MA"], None)
    ((['Yo-Yo', 'Ma'], ''), (['Ada', 'King'], ''))
    """
    rest = list(words)
    is_all_capitals = all(word.isupper() for word in rest)
    while rest and _is_title(rest[0], country, is_alone=len(rest) == 1 and not is_behind_comma):
        del rest[0]
    suffix = ""
    least = 0 if is_behind_comma else 1
    while len(rest) > least:
        generation = _generation(rest, country, least)
        if not generation and not _is_degree(rest[-1], is_all_capitals=is_all_capitals and not is_behind_comma):
            break
        suffix = suffix or generation
        del rest[-1]
    return rest, suffix


def _bare(word: str) -> str:
    """Return a word as the tables hold it: folded, without dots."""
    return fold(word).replace(".", "")


def _is_title(word: str, country: str | None, *, is_alone: bool) -> bool:
    """Say whether a word in front of a name is a title; alone it may be the name."""
    bare = _bare(word)
    if bare in tables.TITLES:
        return not is_alone or word.endswith(".")
    if word in {"M.", "m."}:
        return country in tables.FRENCH
    return word.endswith(".") and bare in tables.DOTTED_TITLES and not is_alone


def _is_degree(word: str, *, is_all_capitals: bool) -> bool:
    """Say whether a word behind a name is a degree."""
    bare = _bare(word)
    if bare in tables.DEGREES:
        return True
    return bare in tables.SHORT_DEGREES and ("." in word or (word.isupper() and not is_all_capitals))


def _generation(words: list[str], country: str | None, least: int) -> str:
    """Return the generation that the last word states, as we write it, or nothing."""
    bare = _bare(words[-1])
    if bare in tables.SUFFIXES:
        return tables.SUFFIXES[bare]
    known = tables.LUSO_GENERATIONS if country in tables.LUSO else tables.GENERATIONS
    return words[-1].title() if bare in known and len(words) > 2 * least else ""


def _around_comma(chunks: list[list[str]], country: str | None) -> Parts:
    """Read `family, given`; a particle behind the given name belongs to the family."""
    family, given = chunks[0], [word for chunk in chunks[1:] for word in chunk]
    while len(given) > 1 and fold(given[-1]) in tables.PARTICLES:
        family = [given.pop(), *family]
    if country in tables.HISPANIC | tables.LUSO | tables.FAMILY_FIRST:
        return Parts(first=" ".join(given), last=" ".join(family))
    return Parts(first=given[0], middle=" ".join(given[1:]), last=" ".join(family))


def _in_order(kept: list[list[str]], text: str, country: str | None) -> Parts:
    """Read a name without comma."""
    if not kept:
        return Parts()
    words = kept[0]
    if _EASTERN.match(words[0]):
        return _eastern(words, country)
    if len(words) == 1:
        # Behind a title stands a family name (`Herr Meier`), otherwise one name is what others call the person.
        return Parts(last=words[0]) if _has_title(text, words[0]) else Parts(first=words[0])
    return _with_patronymic(words) or _family_first(words, country) or _iberian(words, country) or _western(words)


def _has_title(text: str, word: str) -> bool:
    """Say whether a title was dropped in front of the only word that is left."""
    return fold(text) != fold(word) and _bare(text.split(maxsplit=1)[0]) in tables.TITLES | {"m"}


def _eastern(words: list[str], country: str | None) -> Parts:
    """Read Chinese, Japanese and Korean: family first, except in transcribed foreign names (ジョン・スミス)."""
    joined = " ".join(words)
    for honorific in tables.HONORIFICS_BEHIND:
        if joined.endswith(honorific) and len(joined) > len(honorific) + 1:
            joined = joined.removesuffix(honorific).strip()
            break
    foreign = _MIDDLE_DOT.split(joined)
    if len(foreign) > 1:
        return Parts(first=foreign[0], middle=" ".join(foreign[1:-1]), last=foreign[-1])
    if " " in joined:
        family, _, given = joined.partition(" ")
        return Parts(first=given, last=family)
    family, given = split_unspaced(joined, country)
    return Parts(first=given, last=family)


def _with_patronymic(words: list[str]) -> Parts | None:
    """Read Russian names of three words; the patronymic tells the order.

    >>> _with_patronymic(["Иванов", "Иван", "Петрович"])
    Parts(first='Иван', middle='Петрович', last='Иванов', suffix='')
    """
    if len(words) != 3:
        return None
    one, two, three = words
    if fold(three).endswith(tables.PATRONYMICS):
        return Parts(first=two, middle=three, last=one)
    return Parts(first=one, middle=two, last=three) if fold(two).endswith(tables.PATRONYMICS) else None


def _family_first(words: list[str], country: str | None) -> Parts | None:
    """Read a name whose family name stands first: shown by capitals, or the custom of the country."""
    shouted = _shouted_in_front(words)
    if shouted:
        return Parts(first=words[shouted], middle=" ".join(words[shouted + 1 :]), last=" ".join(words[:shouted]))
    if _is_vietnamese(words, country):
        return Parts(first=words[-1], middle=" ".join(words[1:-1]), last=words[0])
    front, back = fold(words[0]), fold(words[-1])
    if country == "HU" and (front not in tables.HUNGARIAN_GIVEN or back in tables.HUNGARIAN_GIVEN):
        return Parts(first=words[1], middle=" ".join(words[2:]), last=words[0])
    is_east_asian = country in tables.FAMILY_FIRST and front in tables.EAST_ASIAN_SURNAMES
    is_japanese = country == "JP" and front in tables.JAPANESE_SURNAMES and back not in tables.JAPANESE_SURNAMES
    return Parts(first=" ".join(words[1:]), last=words[0]) if is_east_asian or is_japanese else None


def _shouted_in_front(words: list[str]) -> int:
    """Return how many words in capitals stand before words that are not: DUBOIS Jean.

    >>> _shouted_in_front(["DUBOIS", "Jean"]), _shouted_in_front(["JD", "Salinger"])
    (1, 0)
    """
    count = 0
    while count < len(words) and is_shouted(words[count]):
        count += 1
    if not 0 < count < len(words) or any(is_shouted(word) for word in words[count:]):
        return 0
    is_initials = count == 1 and len(words[0]) == 2 and fold(words[0]) not in tables.EAST_ASIAN_SURNAMES
    return 0 if is_initials else count


def _is_vietnamese(words: list[str], country: str | None) -> bool:
    """Say whether a Vietnamese family name stands first; without a country only its accents show that."""
    if fold(words[0]) not in tables.VIETNAMESE_SURNAMES:
        return False
    return country == "VN" or (country is None and not words[0].isascii() and len(words) > 2)


def _iberian(words: list[str], country: str | None) -> Parts | None:
    """Read Spanish and Portuguese names: perhaps two given names, then usually two family names."""
    units = _units(words)
    is_like = fold(units[0]) in tables.IBERIAN_GIVEN and len(units) > 2 and _is_given(units[1])
    if country not in tables.HISPANIC | tables.LUSO and not (country is None and is_like):
        return None
    given = 1
    while given < len(units) - 1 and _goes_on_given(units, given, is_hispanic=country in tables.HISPANIC):
        given += 1
    return Parts(first=" ".join(units[:given]), last=" ".join(units[given:]))


def _goes_on_given(units: list[str], position: int, *, is_hispanic: bool) -> bool:
    """Say whether one more unit belongs to the given names; of four plain ones in Spanish, two do."""
    if _is_given(units[position]):
        return True
    return is_hispanic and len(units) - position > 2 and position == 1 and " " not in units[position]


def _is_given(unit: str) -> bool:
    """Say whether a word, or a phrase like `del Carmen`, is a given name."""
    *particles, name = fold(unit).split()
    return name in (tables.DEVOTIONAL if particles else tables.IBERIAN_GIVEN)


def _units(words: list[str]) -> list[str]:
    """Join particles to what follows, and what `y` connects.

    >>> _units(["María", "del", "Carmen", "Ruiz", "de", "la", "Torre"])
    ['María', 'del Carmen', 'Ruiz', 'de la Torre']
    """
    units: list[str] = []
    pending: list[str] = []
    for word in words:
        if units and fold(word) in {"y", "i", "e"} and not pending:
            pending = [units.pop(), word] if len(units) > 1 else [word]
        elif units and fold(word) in tables.PARTICLES:
            pending.append(word)
        else:
            units.append(" ".join([*pending, word]))
            pending = []
    if pending:
        units[-1] = " ".join([units[-1], *pending])
    return units


def _western(words: list[str]) -> Parts:
    """Read given names first; a particle begins the family name."""
    given = 2 if len(words) > 2 and fold(words[0]) == fold(words[1]) else 1
    start = max(_family_start(words), given)
    return Parts(first=" ".join(words[:given]), middle=" ".join(words[given:start]), last=" ".join(words[start:]))


def _family_start(words: list[str]) -> int:
    """Return where the family name begins.

    >>> _family_start(["Ada", "M.", "King"]), _family_start(["Vincent", "van", "Gogh"])
    (2, 1)
    """
    for position in range(1, len(words) - 1):
        folded = fold(words[position])
        is_particle = folded in tables.PARTICLES and (words[position].islower() or folded not in tables.LOWER_PARTICLES)
        if is_particle and fold(words[position + 1]) not in tables.DEVOTIONAL:
            # `Ortega y Gasset`: the connector needs the word before it.
            return max(position - 1, 1) if folded in tables.CONNECTORS else position
    return len(words) - 1
