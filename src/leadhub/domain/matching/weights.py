"""How much each agreement and each difference is worth, in bits: one bit doubles the odds that it is one person.

The figures come from comparing many pairs of a simulated stream whose persons are known, rounded so that a person can
add them up. Those of an address are cautious guesses of how many streets, towns and postcodes the leads of one company
live in, which no made-up stream tells. A value that belongs to one person alone is worth as many bits as it takes to
pick one lead among all, plus the bits of how seldom two people share it: one address in a thousand (2 to the 10)
belongs to more than one person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import log2
from typing import Any

_LEAST_LEADS = 1 << 10

SAME_VALUE = {"first name": "exact", "last name": "exact", "street": "equal", "town": "equal"}
"""What is worth the less, the more leads have the same value → the level that says that two have it."""

CommonValues = Mapping[str, Mapping[str, float]]
"""What is compared → values that many leads have, folded → the bits of the same one, instead of its row's."""


@dataclass(frozen=True, slots=True)
class Weight:
    """One row of the table."""

    compares: str
    level: str
    bits: float
    meaning: str
    """In words that need no context: it is shown to whoever asks why."""
    picks_one: bool = False
    """Such a value picks one lead among all: its bits come on top of that."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A version of the table."""

    version: int
    rows: Sequence[Weight]
    same_from: float = 4.0
    """Bits from which a lead is taken to be the same person, if a hard agreement stands behind it."""
    ask_from: float = -2.0
    """Bits from which a person is asked."""
    common_values: CommonValues = field(default_factory=dict)
    """Nothing is shipped: what is common depends on where the leads come from, so it comes with learning."""
    by_level: dict[tuple[str, str], Weight] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_level", {(row.compares, row.level): row for row in self.rows})

    def count_common(self) -> int:
        """Return how many values have bits of their own."""
        return sum(map(len, self.common_values.values()))

    def document(self) -> dict[str, Any]:
        """Return the table as JSON, the inverse of `read`; the version is not part of it."""
        return {
            "same_from": self.same_from,
            "ask_from": self.ask_from,
            "rows": [asdict(row) for row in self.rows],
            "common_values": {compares: dict(values) for compares, values in self.common_values.items()},
        }


def read(version: int, document: Mapping[str, Any]) -> Weights:
    """Return the table that was written as JSON: of today's levels, and with the shipped bits of those it lacks."""
    written = {(row["compares"], row["level"]): Weight(**row) for row in document["rows"]}
    rows = {part: written.get(part, row) for part, row in SHIPPED.by_level.items()}
    names = document.get("common_names", {})  # written before streets and towns were counted, too
    common_values = document.get("common_values", {"first name": names, "last name": names} if names else {})
    return Weights(version, tuple(rows.values()), document["same_from"], document["ask_from"], common_values)


SHIPPED = Weights(
    version=1,
    rows=(
        Weight("external id", "equal", 20, "the sender itself says that it is the same person", picks_one=True),
        Weight("e-mail", "equal", 10, "the same mailbox", picks_one=True),
        Weight("e-mail", "several", 2, "the same mailbox, which several people use", picks_one=True),
        Weight("e-mail", "role", 8, "the same mailbox, which anybody at a company uses"),
        Weight("e-mail", "slip", 11, "the addresses differ by one typing error"),
        Weight("e-mail", "handle", 7, "the same unusual name in front of the @, at another provider"),
        Weight("e-mail", "colleague", 7, "another address at the same company"),
        Weight("e-mail", "spelt", 12, "the address of one is the other's whole name"),
        Weight("e-mail", "initial", 7, "the address of one is the other's last name with an initial"),
        Weight("e-mail", "similar", -2, "similar names in front of the @, as the names themselves are"),
        Weight("e-mail", "differs", -2, "other addresses"),
        Weight("phone", "equal", 6, "the same phone number", picks_one=True),
        Weight("phone", "several", 8, "the same phone number, which several people use"),
        Weight("phone", "slip", 8, "the phone numbers differ by one digit"),
        Weight("phone", "differs", -3, "other phone numbers"),
        Weight("first name", "exact", 8, "the same first name"),
        Weight("first name", "near", 5, "a short form, an initial or a slip of the same first name"),
        Weight("first name", "alike", -1, "somewhat similar first names"),
        Weight("first name", "conflict", -6, "different first names"),
        Weight("last name", "exact", 10, "the same last name"),
        Weight("last name", "near", 7, "a part or a slip of the same last name"),
        Weight("last name", "alike", 1, "somewhat similar last names"),
        Weight("last name", "conflict", -7, "different last names"),
        Weight("generation", "differs", -12, "different generations: Jr. and Sr."),
        Weight("company", "equal", 8, "the same company"),
        Weight("company", "alike", 5, "similar company names"),
        Weight("company", "domain", 7, "the company of one has the name of the other's e-mail domain"),
        Weight("company", "differs", -3, "different companies"),
        Weight("street", "equal", 8, "the same street"),
        Weight("street", "near", 8, "the same street but for a slip"),
        Weight("street", "alike", 5, "the same street, spelt otherwise"),
        Weight("street", "differs", -3, "different streets"),
        Weight("house", "equal", 5, "the same house number"),
        Weight("house", "near", 2, "almost the same house number"),
        Weight("house", "differs", -2, "different house numbers"),
        Weight("postcode", "equal", 8, "the same postcode"),
        Weight("postcode", "swapped", 7, "the same postcode but for two digits that changed places"),
        Weight("postcode", "near", 3, "the same postcode but for one digit, as neighbours have"),
        Weight("postcode", "differs", -3, "different postcodes"),
        Weight("town", "equal", 6, "the same town"),
        Weight("town", "near", 6, "the same town but for a slip"),
        Weight("town", "alike", 4, "the same town, spelt otherwise"),
        Weight("town", "differs", -2, "different towns"),
    ),
)
"""The table that decides unless another version is made active."""


def bits_to_pick_one(leads: int) -> int:
    """Return how many bits it takes to pick one lead among so many, rounded; small bases count as a thousand.

    >>> bits_to_pick_one(0), bits_to_pick_one(6_000), bits_to_pick_one(1_000_000)
    (10, 13, 20)
    """
    return round(log2(max(leads, _LEAST_LEADS)))
