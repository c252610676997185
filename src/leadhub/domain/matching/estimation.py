"""Learn the bits of the table from pairs whose answer nobody knows.

Expectation maximisation of the Fellegi-Sunter model: suppose which pairs are one person, count how often each level of
agreement occurs among them and among the others, suppose anew from these counts, and so on until nothing changes. A
level's bits are how many times more often it occurs among pairs of one person.

Source: Fellegi and Sunter, A Theory for Record Linkage, 1969; Winkler, Using the EM Algorithm for Weight Computation
in the Fellegi-Sunter Model, 2000.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from math import log2

from leadhub.domain.matching.weights import Weight, Weights

_ROUNDS = 100
_SETTLED = 1e-6
_PSEUDO_COUNT = 0.5
"""Added to each count, so that a level which one side never shows does not decide alone."""

Levels = Mapping[str, str]
"""What is compared → how it turned out: `matching.evidence.Evidence.level`."""
_Pattern = tuple[tuple[str, str], ...]


def estimate(pairs: Collection[Levels], start: Weights, *, prior_bits: float = 0.0) -> tuple[Weights, float]:
    """Return a table of bits learnt from candidate pairs, as the next version, and the bits with which a pair starts.

    Args:
        pairs: what comparing each candidate pair brought.
        start: the table to begin with; rows whose level no pair shows are kept.
        prior_bits: with how many bits a pair starts at first.
    """
    patterns = Counter(tuple(sorted((name, str(level)) for name, level in pair.items() if level)) for pair in pairs)
    bits = {(row.compares, row.level): row.bits for row in start.rows}
    prior = prior_bits
    for _ in range(_ROUNDS):
        same = {pattern: _share(prior + sum(bits.get(part, 0.0) for part in pattern)) for pattern in patterns}
        learnt = _bits(patterns, same)
        one = sum(same[pattern] * count for pattern, count in patterns.items())
        now = log2((one + _PSEUDO_COUNT) / (patterns.total() - one + _PSEUDO_COUNT))
        change = max([abs(now - prior), *(abs(learnt[part] - bits.get(part, 0.0)) for part in learnt)])
        bits, prior = bits | learnt, now
        if change < _SETTLED:
            break
    rows = [_renewed(row, bits[row.compares, row.level]) for row in start.rows]
    return replace(start, version=start.version + 1, rows=rows), prior


def _share(bits: float) -> float:
    return 1 / (1 + 2 ** -max(min(bits, 60.0), -60.0))


def _bits(patterns: Mapping[_Pattern, int], same: Mapping[_Pattern, float]) -> dict[tuple[str, str], float]:
    """Return for each level how many times more often pairs of one person show it than others, as bits."""
    one: Counter[tuple[str, str]] = Counter()
    other: Counter[tuple[str, str]] = Counter()
    for pattern, count in patterns.items():
        for part in pattern:
            one[part] += same[pattern] * count  # type: ignore[assignment] # a Counter of weights
            other[part] += (1 - same[pattern]) * count  # type: ignore[assignment]
    totals = {name: (_sum(one, name), _sum(other, name)) for name, _ in one}
    levels = Counter(name for name, _ in one)
    return {
        part: log2(
            (one[part] + _PSEUDO_COUNT)
            / (totals[part[0]][0] + _PSEUDO_COUNT * levels[part[0]])
            * (totals[part[0]][1] + _PSEUDO_COUNT * levels[part[0]])
            / (other[part] + _PSEUDO_COUNT)
        )
        for part in one
    }


def _sum(counts: Mapping[tuple[str, str], float], name: str) -> float:
    return sum(count for (compares, _), count in counts.items() if compares == name)


def _renewed(row: Weight, bits: float) -> Weight:
    return row if row.picks_one else replace(row, bits=round(bits, 1))
