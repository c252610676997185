"""How alike our invented stream (`lead_stream`) is to the one that our bars were drawn from.

Of that one nothing is left but what exact rules reach on it, and a few counts. The same is measured here at each level,
on seeds 1 to 7 or on those given (`./run bench stream_facts 31 32 33`, two at least), and printed beside it. LeadHub's
own decision is never run: a stream that is set after looking at its result would be set to please it.

`spread` is the standard deviation between seeds, of one stream of 10,000. `off` is how far the other stream lies from
our mean in such spreads: up to 2 may be chance, as it was one stream, too.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import combinations
from statistics import fmean, stdev
from typing import Any

from benchmarks.exact_rules import by_exact_rules, sightings_of
from benchmarks.lead_stream import EASY, HARD, STANDARD, Arrival, Hardness, stream

from leadhub.domain.deduplication import Sighting
from leadhub.domain.matching.block_keys import block_keys

SEEDS = range(1, 8)
_PROCESSES = 2
_LEVELS: dict[str, Hardness] = {"easy": EASY, "standard": STANDARD, "hard": HARD}
_FIGURES = ("precision", "recall", "b_cubed_f1")
_RULES_THERE: dict[str, dict[str, tuple[float, ...]]] = {
    "easy": {
        "lower-cased e-mail": (0.931, 0.636),
        "mailbox": (0.981, 0.722),
        "mailbox or phone": (0.948, 0.955),
        "own mailbox, or phone + sound": (0.969, 0.949),
    },
    "standard": {
        "lower-cased e-mail": (0.564, 0.433, 0.864),
        "mailbox": (0.972, 0.531, 0.896),
        "mailbox or phone": (0.892, 0.818, 0.946),
        "own mailbox, or phone + sound": (0.963, 0.785, 0.949),
        "identity keys + name check": (0.998, 0.802, 0.956),
    },
    "hard": {
        "lower-cased e-mail": (0.241, 0.279),
        "mailbox": (0.962, 0.355),
        "mailbox or phone": (0.831, 0.574),
        "own mailbox, or phone + sound": (0.971, 0.529),
    },
}
"""Level → rule → as many of `_FIGURES` as are known."""
_COUNTS_THERE = {
    "pairs": 6876.0,
    "pairs without a common identity key": 0.26,
    "known persons found by identity keys": 0.823,
    "known persons found by these or block keys": 0.987,
    "mailboxes of several people": 0.008,
    "phones of several people": 0.015,
}
"""Known at the standard level only. That 10,000 submissions came from 5,882 people is not compared: so it is made."""


def facts(seed: int, hardness: Hardness) -> dict[str, float]:
    """Return what exact rules reach on a stream, and what can be counted in it."""
    arrivals = stream(seed, hardness=hardness)
    sightings = sightings_of(arrivals)
    rules = {
        f"{rule}: {figure}": found[figure]
        for rule, found in by_exact_rules(arrivals, sightings).items()
        for figure in _FIGURES
    }
    by_keys, by_any = _known_persons_found(arrivals, sightings)
    pairs = _pairs(arrivals)
    apart = sum(not sightings[one].keys.keys() & sightings[other].keys.keys() for one, other in pairs)
    return rules | {
        "pairs": len(pairs),
        "pairs without a common identity key": apart / len(pairs),
        "known persons found by identity keys": by_keys,
        "known persons found by these or block keys": by_any,
        "mailboxes of several people": _shared(arrivals, ([one.email] if one.email else [] for one in sightings)),
        "phones of several people": _shared(arrivals, (one.phones for one in sightings)),
    }


def _pairs(arrivals: Sequence[Arrival]) -> list[tuple[int, int]]:
    """Return each two submissions of one person."""
    of: dict[int, list[int]] = defaultdict(list)
    for index, one in enumerate(arrivals):
        of[one.person].append(index)
    return [pair for indexes in of.values() for pair in combinations(indexes, 2)]


def _known_persons_found(arrivals: Sequence[Arrival], sightings: Sequence[Sighting]) -> tuple[float, float]:
    """Return of how many submissions of a person seen before a key was seen before: an identity key, any key."""
    seen: dict[int, tuple[set[object], set[object]]] = {}
    known = by_keys = by_any = 0
    for one, sighting in zip(arrivals, sightings, strict=True):
        keys, blocks = sighting.keys.keys(), block_keys(sighting)
        if one.person in seen:
            old_keys, old_blocks = seen[one.person]
            known += 1
            by_keys += not old_keys.isdisjoint(keys)
            by_any += not (old_keys.isdisjoint(keys) and old_blocks.isdisjoint(blocks))
        old_keys, old_blocks = seen.setdefault(one.person, (set(), set()))
        old_keys.update(keys)
        old_blocks.update(blocks)
    return by_keys / known, by_any / known


def _shared(arrivals: Sequence[Arrival], values: Iterable[Sequence[str]]) -> float:
    """Return the share of values that more than one person gave."""
    people: dict[str, set[int]] = defaultdict(set)
    for one, given in zip(arrivals, values, strict=True):
        for value in given:
            people[value].add(one.person)
    return sum(len(who) > 1 for who in people.values()) / len(people)


def _there(level: str) -> dict[str, float]:
    rules = _RULES_THERE[level].items()
    known = {
        f"{rule}: {figure}": value for rule, values in rules for figure, value in zip(_FIGURES, values, strict=False)
    }
    return known | (_COUNTS_THERE if level == "standard" else {})


def _compared(there: dict[str, float], here: Sequence[dict[str, float]]) -> dict[str, tuple[float, ...]]:
    """Return for each fact the mean and the spread here, the value there, and how far off that is in spreads."""
    compared: dict[str, tuple[float, ...]] = {}
    for fact, value in there.items():
        mean, spread = fmean(one[fact] for one in here), stdev(one[fact] for one in here)
        compared[fact] = mean, spread, value, (value - mean) / spread
    return compared


def main() -> dict[str, Any]:
    """Print all facts, here and there."""
    seeds = [int(argument) for argument in sys.argv[1:] if argument.isdigit()] or SEEDS
    results = {}
    with ProcessPoolExecutor(_PROCESSES) as pool:
        for level, hardness in _LEVELS.items():
            here = list(pool.map(facts, seeds, [hardness] * len(seeds)))
            results[level] = compared = _compared(_there(level), here)
            print(f"{level:<50}{'here':>9}{'spread':>9}{'there':>9}{'off':>7}")
            for fact, (mean, spread, value, off) in compared.items():
                places = 0 if value > 1 else 4
                print(f"  {fact:<48}{mean:>9.{places}f}{spread:>9.{places}f}{value:>9.{places}f}{off:>+7.1f}")
            rms = fmean(off * off for *_, off in compared.values()) ** 0.5
            print(f"  root mean square of off: {rms:.1f}", flush=True)
    return results


if __name__ == "__main__":
    main()
