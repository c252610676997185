"""How good a partition of submissions into leads is, against the truth."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Quality:
    """Pairs count each two submissions of one person once; B-cubed counts each submission once."""

    precision: float
    recall: float
    b_cubed_f1: float

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall of pairs."""
        return harmonic(self.precision, self.recall)


def harmonic(one: float, other: float) -> float:
    """Return the harmonic mean of two shares."""
    return 2 * one * other / (one + other) if one + other else 0.0


def quality(found: Sequence[Hashable], truth: Sequence[Hashable]) -> Quality:
    """Return the quality of what was found, item by item, against the truth.

    >>> quality("aab", "xxx")
    Quality(precision=1.0, recall=0.3333333333333333, b_cubed_f1=0.7142857142857143)
    """
    together = Counter(zip(found, truth, strict=True))
    sizes_found, sizes_true = Counter(found), Counter(truth)
    right, said, true = (_pairs(sizes.values()) for sizes in (together, sizes_found, sizes_true))
    items = len(found) or 1
    cubed_precision = sum(n * n / sizes_found[lead] for (lead, _), n in together.items()) / items
    cubed_recall = sum(n * n / sizes_true[person] for (_, person), n in together.items()) / items
    return Quality(
        right / said if said else 1.0, right / true if true else 1.0, harmonic(cubed_precision, cubed_recall)
    )


def _pairs(sizes: Iterable[int]) -> int:
    return sum(n * (n - 1) // 2 for n in sizes)


def components(count: int, links: Sequence[tuple[int, int]]) -> list[int]:
    """Return for each of `count` items the smallest item that links lead to.

    >>> components(4, [(2, 1), (3, 2)])
    [0, 1, 1, 1]
    """
    parent = list(range(count))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = item = parent[parent[item]]
        return item

    for one, other in links:
        a, b = sorted((root(one), root(other)))
        parent[b] = a
    return [root(item) for item in range(count)]


def mixed(found: Sequence[Hashable], truth: Sequence[int]) -> dict[Hashable, set[int]]:
    """Return the leads that hold submissions of more than one person → these persons."""
    people: dict[Hashable, set[int]] = defaultdict(set)
    for lead, person in zip(found, truth, strict=True):
        people[lead].add(person)
    return {lead: held for lead, held in people.items() if len(held) > 1}
