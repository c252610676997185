"""What finds leads that may be the same person although no identity key is equal: candidates, nothing more.

A block key is two things that are seldom both wrong, made insensitive to spelling: the sound of a family name and the
company's domain, most digits of a phone and the sound of a name. A pair of people that shares none of them is never
compared, so the list is what recall is made of; that two strangers share one costs a comparison.

Only a 64-bit hash is kept: an index of small numbers, and nothing personal in it.
"""

from collections.abc import Iterator
from hashlib import blake2b

from leadhub.domain.matching.evidence import letters
from leadhub.domain.matching.sighting import Sighting

_LEAST_LOCAL = 5
_PHONE_TAIL = 5
"""A wrong digit stands in the last five or before them; the other part is whole."""
_STREET_HEAD = 7
"""Letters of a street: what stands behind them is most often the word for a street, and where it is misspelt."""
_CODES = str.maketrans("bfpvcgjkqsxzdtlmnr", "111122222222334556")


def block_keys(sighting: Sighting) -> frozenset[int]:
    """Return the keys under which candidates for a submission are found; signed 64-bit numbers.

    >>> from leadhub.domain.matching.names import Name
    >>> one, other = (Sighting(name=Name(*name)) for name in (("ada", "byron"), ("biron", "ada")))
    >>> bool(block_keys(one) & block_keys(other))
    True
    """
    return frozenset(_number(text) for text in _texts(sighting))


def hashed_block(digest: str) -> int:
    """Return the block key of whoever has an address with this SHA-256."""
    return _number(f"hashed {digest}")


def _number(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def _texts(sighting: Sighting) -> Iterator[str]:
    name = sighting.name
    first, last = sound(name.first), sound(name.last)
    yield from _by_name(name.first, name.last, first, last)
    yield from _by_email(sighting, first, last)
    for phone in sighting.phones:
        yield from (f"tail {phone[-_PHONE_TAIL:]} {part}" for part in (first, last) if part)
        yield from (f"head {phone[:-_PHONE_TAIL]} {part}" for part in (first, last) if part)
    for company in sighting.companies:
        word = company.split(" ", 1)[0]
        yield from (f"company {word} {part}" for part in (first, last) if part)
    yield from _by_address(sighting, first, last)


def _by_name(first_name: str, last_name: str, first: str, last: str) -> Iterator[str]:
    if first and last:
        # Sorted, so that a swapped name meets one that is not. Both of only one sound would be half the base.
        yield "sounds {} {}".format(*sorted((first, last)))
        yield "letters {} {}".format(*sorted((first_name[:3], last_name[:4])))
        given, family = letters(first_name), letters(last_name)
        yield f"spelt {given}{family}"
        yield f"spelt {family}{given}"
        yield f"spelt {given[:1]}{family}"


def _by_email(sighting: Sighting, first: str, last: str) -> Iterator[str]:
    # So that an address finds who came hashed, and the other way round, without one more identity key for everybody.
    yield from (f"hashed {digest}" for digest in sighting.email_hashes)
    local = sighting.email.rpartition("@")[0]
    if sighting.has_own_mailbox and len(local) >= _LEAST_LOCAL:
        plain = "".join(filter(str.isalnum, local))
        domain = sighting.email.rpartition("@")[2]
        yield f"spelt {letters(local)}"
        # A slip stands in one half; a letter too many may move the middle by one.
        for half in {len(plain) // 2, (len(plain) + 1) // 2}:
            yield f"half {plain[:half]} {domain}"
            yield f"half {plain[-half:]} {domain}"
    if domain := sighting.company_domain:
        yield from (f"domain {domain} {part}" for part in (first, last) if part)


def _by_address(sighting: Sighting, first: str, last: str) -> Iterator[str]:
    place = sighting.place
    if place.postcode:
        yield from (f"postcode {place.postcode} {part}" for part in (first, last) if part)
        if place.number:
            yield f"house {place.postcode} {place.number}"
    if place.street:
        street = letters(place.street)[:_STREET_HEAD]
        yield from (f"street {street} {part}" for part in (place.number, place.postcode) if part)
        yield from (f"street {street} {part[:2]}" for part in (sighting.name.first, sighting.name.last) if part)
    if place.city:
        town = sound(place.city)
        yield from (f"town {town} {part[:3]}" for part in (sighting.name.first, sighting.name.last) if part)
        if place.street:
            yield f"street {town} {letters(place.street)[:_STREET_HEAD]}"


def sound(word: str) -> str:
    """Return how a word sounds, roughly: its first letter and up to three groups of consonants; as is if not Latin.

    Source: the Soundex of the US National Archives, here also for words with a hyphen or blank (their first part).

    >>> sound("robert"), sound("rupert"), sound("tymczak"), sound("lee"), sound("田中")
    ('r163', 'r163', 't522', 'l', '田中')
    """
    if not word.isascii():
        return word
    coded, before = word[:1], word[:1].translate(_CODES)
    for letter in word[1:]:
        if not letter.isalpha():
            break
        code = letter.translate(_CODES)
        if code.isdigit() and code != before:
            coded += code
            if len(coded) == 4:
                break
        if letter not in "hw":
            before = code
    return coded
