"""Invented people that have no more in common with each other than people have.

Recognising somebody costs what there is to compare, so a load in which all are called alike measures nothing real.
"""

import random
from dataclasses import dataclass
from itertools import accumulate

from faker.providers.person.en_US import Provider as GivenNames

_GIVEN = [*GivenNames.first_names]
_GIVEN_UP_TO = [*accumulate(GivenNames.first_names.values())]
_SYLLABLES = """
ba ber bor dan del fer gar gol ham hel ka ker kov lan lem lis mar men mol nar nel or pet ran ros san sel tar ven wal
""".strip().split()
_ENDINGS = "a ano berg ek er es ez ic in ini ko man off son stein ton u ard elli ow".strip().split()


_COMPANIES = 5_000


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody."""

    first_name: str
    last_name: str
    email: str
    phone: str
    company: str

    @classmethod
    def number(cls, number: int) -> "Person":
        """Return the number-th person, always the same one."""
        first, last = _name(number)
        employer = number % _COMPANIES
        company = f"{_name(employer)[1]} {employer}"
        return cls(
            first,
            last,
            f"{first}.{last}.{number}@{company.replace(' ', '')}.example".lower(),
            f"+49 151 {number * 48_271 % 100_000_000:08d}",
            f"{company} GmbH",
        )


def _name(number: int) -> tuple[str, str]:
    """Return a name as common as names are: the commonest family name is one person's in 130."""
    draw = random.Random(number)
    rank = int(18_000 * draw.random() ** 2)
    family = _SYLLABLES[rank % 30] + _SYLLABLES[rank // 30 % 30] + _ENDINGS[rank // 900]
    return draw.choices(_GIVEN, cum_weights=_GIVEN_UP_TO)[0], family.capitalize()
