"""Learn the bits of the table from pairs whose answer nobody knows.

A level's bits say how many times more often two submissions of one person show it than two strangers do. What
strangers show is counted: two leads drawn at random are strangers, but for one pair in thousands. What one person shows
is learnt by expectation maximisation from the pairs that share a block key: suppose with the present bits which of them
are one person, count what these show, suppose anew with the bits that follow, and so on until nothing changes.

Counting the strangers apart is what makes the result a table like any other. Learnt from the candidates alone, the bits
would only say what tells one pair with a common block key from another (there, the same postcode is worth nothing), and
no threshold would mean what it meant before. A level that hardly ever occurs keeps the bits that it had.

That two have the same name, street or town says the less, the more leads have it. So what strangers show is counted by
value there: each that many have gets bits of its own, and the row's bits are those of any other value.

Source: Fellegi and Sunter, A Theory for Record Linkage, 1969; Winkler, Using the EM Algorithm for Weight Computation
in the Fellegi-Sunter Model, 2000.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import log2

from leadhub.domain.matching.weights import SAME_VALUE, Weights

_ROUNDS = 100
_SETTLED = 0.01
"""Bits; less than what is shown of them."""
_ENOUGH = 10
"""Pairs that must show a level, on either side, before its bits change."""

_ECHO = ("e-mail", "similar")
"""Addresses are alike because the names in them are: learnt as if it stood alone, it would count these twice."""

Levels = Mapping[str, str]
"""What is compared → how it turned out: `matching.evidence.Evidence.level`."""
Part = tuple[str, str]
Pattern = tuple[Part, ...]

Shares = Mapping[str, Mapping[str, float]]
"""What is compared (see `weights.SAME_VALUE`) → a value that many leads have → how likely a stranger has it, too."""
ANY_OTHER = ""
"""Stands for the values that few have: how likely a stranger has the same one as a lead, on average."""


def pattern_of(levels: Levels) -> Pattern:
    """Return what learning needs of a comparison, so that equal ones can be counted instead of kept."""
    return tuple(sorted((name, str(level)) for name, level in levels.items() if level))


def estimate(
    candidates: Counter[Pattern],
    strangers: Counter[Pattern],
    shares: Shares,
    start: Weights,
    *,
    version: int,
    bits_to_pick_one: float,
) -> Weights:
    """Return a table with learnt bits.

    Args:
        candidates: how often each pattern occurs among pairs that share a block key.
        strangers: how often among pairs drawn at random; the few that are one person are taken out by the same odds.
        shares: of what many leads have.
        start: the table to begin with.
        version: the number of the new table.
        bits_to_pick_one: see `weights`; the odds with which each candidate starts.
    """
    fixed = {part for part, row in start.by_level.items() if row.picks_one or part == _ECHO}
    seen = {part[0] for pattern in strangers for part in pattern}
    learnable = {part for part in start.by_level.keys() - fixed if part[0] in seen}
    bits = {part: row.bits + (bits_to_pick_one if row.picks_one else 0) for part, row in start.by_level.items()}
    learnt: dict[Part, float] = {}
    same = _Shown(())
    for _ in range(_ROUNDS):
        same = _Shown(
            (pattern, count * _share(pattern, bits, bits_to_pick_one)) for pattern, count in candidates.items()
        )
        chance = _Shown(
            (pattern, count * (1 - _share(pattern, bits, bits_to_pick_one))) for pattern, count in strangers.items()
        )
        learnt = {
            part: _bits(part, same, chance, before=start.by_level[part].bits)
            for part in learnable
            if same.pairs.get(part, 0.0) >= _ENOUGH
        }
        change = max((abs(found - bits[part]) for part, found in learnt.items()), default=0.0)
        bits |= learnt
        if change < _SETTLED:
            break
    common = {**start.common_values}
    for part in SAME_VALUE.items():
        if part in learnt and (often := shares.get(part[0])):
            worth = {value: log2(same.share(part) / share) for value, share in often.items()}
            bits[part] = usual = worth.pop(ANY_OTHER, start.by_level[part].bits)
            common[part[0]] = {value: round(found, 1) for value, found in worth.items() if found < usual}
    rows = (
        replace(row, bits=round(bits[part], 1)) if part in learnable else row for part, row in start.by_level.items()
    )
    return replace(start, version=version, rows=tuple(rows), common_values=common)


class _Shown:
    """How many pairs show each level, and how many have that kind of thing to compare at all."""

    def __init__(self, patterns: Iterable[tuple[Pattern, float]]) -> None:
        self.pairs: dict[Part, float] = {}
        self.totals: dict[str, float] = {}
        for pattern, count in patterns:
            for part in pattern:
                self.pairs[part] = self.pairs.get(part, 0.0) + count
                self.totals[part[0]] = self.totals.get(part[0], 0.0) + count

    def share(self, part: Part) -> float:
        """Return the share of the pairs with that kind of thing to compare that show a level."""
        return self.pairs[part] / self.totals[part[0]]


def _bits(part: Part, same: _Shown, chance: _Shown, *, before: float) -> float:
    """Return a level's bits; if too few strangers show it to say how seldom, no fewer than if just enough did."""
    seen = chance.pairs.get(part, 0.0)
    bits = log2(same.share(part) / (max(seen, _ENOUGH) / max(chance.totals[part[0]], _ENOUGH)))
    return bits if seen >= _ENOUGH else max(bits, before)


def _share(pattern: Pattern, bits: Mapping[Part, float], bits_to_pick_one: float) -> float:
    """Return how likely a candidate pair is one person."""
    found = sum(bits.get(part, 0.0) for part in pattern) - bits_to_pick_one
    return 1 / (1 + 2 ** -max(min(found, 60.0), -60.0))
