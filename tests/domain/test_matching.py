import doctest
import importlib
import random
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadhub.domain.deduplication import Key, Known, Scale, decide
from leadhub.domain.ids import LeadId
from leadhub.domain.matching.block_keys import block_keys
from leadhub.domain.matching.estimation import ANY_OTHER, Pattern, estimate, pattern_of
from leadhub.domain.matching.names import Likeness, Name, compare_family, compare_given, compare_names
from leadhub.domain.matching.profile import MOST_VALUES, profile_of, read
from leadhub.domain.matching.sighting import Place, Sighting, sighting_of
from leadhub.domain.matching.weights import SHIPPED
from leadhub.domain.matching.weights import read as read_weights
from leadhub.domain.normalisation import normalise
from leadhub.domain.register import Register

_MODULES = ("block_keys", "estimation", "evidence", "names", "profile", "sighting", "weights")
_WORDS = st.text(max_size=40)
_FIELDS = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("email", "phone", "first_name", "last_name", "full_name", "company", "street", "postal_code", "city"), _WORDS
    ),
)


@pytest.mark.parametrize("name", _MODULES)
def test_the_examples_in_the_docstrings_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"leadhub.domain.matching.{name}")).failed == 0


def test_the_examples_of_the_decision_hold() -> None:
    assert doctest.testmod(importlib.import_module("leadhub.domain.deduplication")).failed == 0


@pytest.mark.parametrize(
    ("one", "other", "likeness"),
    [
        ("ada", "ada", Likeness.EXACT),
        ("a.", "ada", Likeness.NEAR),
        ("bob", "robert", Likeness.NEAR),
        ("hans", "hans-peter", Likeness.NEAR),
        ("annalena", "anna lena", Likeness.NEAR),
        ("micheal", "michael", Likeness.NEAR),
        ("ana", "ina", Likeness.CONFLICT),
        ("bill", "bob", Likeness.CONFLICT),
        ("anna", "peter", Likeness.CONFLICT),
        ("", "peter", Likeness.UNKNOWN),
        ("由紀", "yuki", Likeness.UNKNOWN),
        ("由紀", "健", Likeness.CONFLICT),
    ],
)
def test_given_names(one: str, other: str, likeness: Likeness) -> None:
    assert compare_given(one, other) is likeness
    assert compare_given(other, one) is likeness


@pytest.mark.parametrize(
    ("one", "other", "likeness"),
    [
        ("berg", "berg", Likeness.EXACT),
        ("garcia", "garcia lopez", Likeness.NEAR),
        ("schmidt-berg", "berg", Likeness.NEAR),
        ("mueler", "mueller", Likeness.NEAR),
        ("berg", "stein", Likeness.CONFLICT),
    ],
)
def test_family_names(one: str, other: str, likeness: Likeness) -> None:
    assert compare_family(one, other) is likeness
    assert compare_family(other, one) is likeness


def test_a_swapped_name_is_recognised_also_with_a_nickname_and_an_initial() -> None:
    assert compare_names(Name("stone", "bob"), Name("robert", "stone")).agree
    assert compare_names(Name("stone", "r."), Name("robert", "stone")).agree
    assert not compare_names(Name("stone", "mary"), Name("robert", "stone")).agree


def test_a_family_name_alone_in_the_first_field_does_not_contradict() -> None:
    assert compare_names(Name("stone"), Name("robert", "stone")).first is Likeness.UNKNOWN


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"full_name": "Ada King"}, {"full_name": "King Ada"}),
        ({"email": "ada.king@gmail.com"}, {"email": "ada.king@gmial.com"}),
        ({"email": "ada.king@gmail.com"}, {"full_name": "Ada King"}),
        ({"phone": "+4915123456789", "first_name": "Ada"}, {"phone": "+4915123456780", "first_name": "Ada"}),
        ({"phone": "+4915123456789", "first_name": "Ada"}, {"phone": "+4915173456789", "first_name": "Ada"}),
        ({"email": "a.king@acme.de", "last_name": "King"}, {"email": "ada@acme.de", "last_name": "King"}),
        ({"company": "Acme GmbH", "last_name": "King"}, {"company": "ACME", "last_name": "King"}),
        ({"email": "A.King+x@gmail.com"}, {"email": sha256(b"aking@gmail.com").hexdigest()}),
    ],
)
def test_two_forms_of_one_person_share_a_block_key(one: dict[str, str], other: dict[str, str]) -> None:
    a, b = (block_keys(sighting_of(normalise(fields))) for fields in (one, other))

    assert a & b


@given(fields=_FIELDS, other=_FIELDS)
def test_whatever_comes_is_compared_and_explained(fields: dict[str, str], other: dict[str, str]) -> None:
    one, two = (sighting_of(normalise(found)) for found in (fields, other))
    known = Known(LeadId(UUID(int=1)), profile_of([two]), dict(two.keys))

    decision = decide(one, [known])

    assert decision.match is not None
    assert decision.match.evidence.bits == decision.match.evidence.start + sum(
        line.bits for line in decision.match.evidence.lines
    )
    assert read(known.profile.document()) == known.profile
    assert len(block_keys(one)) < 40


def test_a_thousand_people_on_one_number_neither_join_nor_make_a_profile_grow() -> None:
    random_ = random.Random(1)
    numbers = iter(range(1, 10_000))
    register = Register(Scale(bits_to_pick_one=13))
    names = ["".join(random_.choices("abcdefghijklmnopqrstuvwxyz", k=8)) for _ in range(1000)]
    for name in names:
        fields = {"phone": "+493012345678", "email": "test@test.com", "full_name": f"{name} {name[::-1]}"}
        sighting = sighting_of(normalise(fields))
        register.place(sighting, block_keys(sighting), new_id=lambda: LeadId(UUID(int=next(numbers))))

    assert len(register.leads) > 990
    assert all(len(lead.profile.names) <= MOST_VALUES for lead in register.leads.values())


def test_a_nameless_arrival_joins_nobody_on_a_shared_number() -> None:
    numbers = iter(range(1, 10))
    register = Register(Scale(bits_to_pick_one=13))

    def place(**fields: str) -> LeadId:
        sighting = sighting_of(normalise(fields))
        return register.place(sighting, block_keys(sighting), new_id=lambda: LeadId(UUID(int=next(numbers)))).lead_id

    anna = place(phone="+4915123456789", full_name="Anna Berg")
    peter = place(phone="+4915123456789", full_name="Peter Berg")
    nameless = place(phone="+4915123456789")

    assert len({anna, peter, nameless}) == 3
    assert place(phone="+4915123456789", full_name="Anna Berg") == anna


def test_one_submission_that_is_both_makes_one_lead_of_two_within_a_batch() -> None:
    numbers = iter(range(1, 10))
    register = Register(Scale(bits_to_pick_one=13))

    def place(sighting: Sighting) -> LeadId:
        return register.place(sighting, block_keys(sighting), new_id=lambda: LeadId(UUID(int=next(numbers)))).lead_id

    first = place(sighting_of(normalise({"email": "ada@example.com"})))
    second = place(sighting_of(normalise({"phone": "+4915123456789"}), external=Key("external:crm", "7")))
    both = place(sighting_of(normalise({"email": "ada@example.com", "phone": "+4915123456789"})))

    assert both == first
    assert register.living(second) == first
    assert place(sighting_of(normalise({}), external=Key("external:crm", "7"))) == first


def test_learning_finds_the_bits_behind_invented_pairs() -> None:
    random_ = random.Random(7)

    def shown(*, same: bool) -> Pattern:
        return pattern_of(
            {
                "first name": "exact" if random_.random() < (0.9 if same else 0.05) else "conflict",
                "last name": "exact" if random_.random() < (0.95 if same else 0.1) else "conflict",
                "phone": "several" if random_.random() < (0.8 if same else 0.01) else "differs",
                "company": "",
            }
        )

    # Candidates share a block key: here, that makes one in three of them one person.
    candidates = Counter(shown(same=random_.random() < 0.3) for _ in range(4000))
    strangers = Counter(shown(same=False) for _ in range(20_000))

    # One first name in ten is Ada; the others are rare.
    shares = {"first name": {"ada": 0.1, ANY_OTHER: 0.001}}

    learnt = estimate(candidates, strangers, shares, SHIPPED, version=2, bits_to_pick_one=3)

    bits = {(row.compares, row.level): row.bits for row in learnt.rows}
    assert learnt.version == 2
    assert bits["first name", "exact"] == pytest.approx(9.8, abs=0.3)
    assert learnt.common_values["first name"] == {"ada": pytest.approx(3.2, abs=0.2)}
    assert bits["last name", "exact"] == pytest.approx(3.2, abs=0.3)
    assert bits["phone", "several"] == pytest.approx(6.3, abs=0.3)
    assert bits["last name", "conflict"] == pytest.approx(-4.2, abs=0.8)
    assert bits["company", "equal"] == SHIPPED.by_level["company", "equal"].bits
    assert bits["e-mail", "equal"] == SHIPPED.by_level["e-mail", "equal"].bits


def test_random_pairs_that_are_one_person_do_not_make_what_one_person_shows_look_usual() -> None:
    one_person = pattern_of({"first name": "exact", "last name": "exact", "phone": "several", "company": "equal"})
    others = pattern_of({"first name": "conflict", "last name": "conflict", "phone": "differs", "company": "differs"})
    candidates = Counter({one_person: 500, others: 500})

    learnt = [
        estimate(candidates, Counter({others: 9_000, **more}), {}, SHIPPED, version=2, bits_to_pick_one=6).by_level
        for more in ({}, {one_person: 90})
    ]

    assert learnt[1]["phone", "several"].bits == pytest.approx(learnt[0]["phone", "several"].bits, abs=0.1)


def test_random_pairs_that_are_all_one_person_teach_nothing_of_strangers() -> None:
    pattern = pattern_of({"external id": "equal", "e-mail": "equal", "phone": "equal", "company": "equal"})

    learnt = estimate(Counter({pattern: 500}), Counter({pattern: 50}), {}, SHIPPED, version=2, bits_to_pick_one=30)

    assert learnt.by_level["company", "equal"] == SHIPPED.by_level["company", "equal"]


def test_a_common_name_is_worth_less_and_the_explanation_says_so() -> None:
    one, other = (sighting_of(normalise({"full_name": "Ada Smith", "email": email})) for email in ("a@b.de", "c@d.de"))
    weights = replace(SHIPPED, common_values={"last name": {"smith": 4.5}})

    match = decide(one, [Known(LeadId(UUID(int=1)), profile_of([other]))], Scale(weights)).match

    assert match is not None
    worth = {line.compares: (line.bits, line.meaning) for line in match.evidence.lines}
    assert worth["last name"] == (4.5, "the same last name, a common one")
    assert worth["first name"] == (8, "the same first name")


@pytest.mark.parametrize(
    ("one", "other", "level"),
    [
        (("balfour crescent", "12"), ("balfourcrescent", "12a"), ("near", "near")),
        (("canning street", "12"), ("caning street", "21"), ("near", "near")),
        (("allan street", "12"), ("maclagan street", "13"), ("differs", "differs")),
        (("may street", "12"), ("mullan street", "112"), ("differs", "differs")),
        (("nungara street", "12"), ("wangara street", "12"), ("alike", "equal")),
    ],
)
def test_streets_and_houses(one: tuple[str, str], other: tuple[str, str], level: tuple[str, str]) -> None:
    known = Known(LeadId(UUID(int=1)), profile_of([Sighting(place=Place(*other))]))

    match = decide(Sighting(place=Place(*one)), [known]).match

    assert match is not None
    assert (match.evidence.level["street"], match.evidence.level["house"]) == level


@pytest.mark.parametrize(
    ("one", "other", "level"),
    [
        ("10115", "10115", "equal"),
        ("10115", "10151", "swapped"),
        ("10115", "10117", "near"),
        ("SW1A1AA", "SW1A1A", "near"),
        ("10115", "80331", "differs"),
        ("5", "6", "differs"),
        ("10115", "", ""),
    ],
)
def test_postcodes(one: str, other: str, level: str) -> None:
    known = Known(LeadId(UUID(int=1)), profile_of([Sighting(place=Place("x", postcode=other))]))

    match = decide(Sighting(place=Place("x", postcode=one)), [known]).match

    assert match is not None
    assert match.evidence.level["postcode"] == level


@pytest.mark.parametrize(
    ("one", "other", "last"),
    [
        (Name("anna", "meier"), Name("anna", "maier"), 0),
        (Name("anna", "meier"), Name("anna", "meierr"), 7),
        (Name("anna", "meier"), Name("anna", "meier"), 5),
        (Name("anna", "meier"), Name("meier", "anna"), 5),
    ],
)
def test_a_letter_between_two_common_names_says_nothing(one: Name, other: Name, last: float) -> None:
    known = Known(LeadId(UUID(int=1)), profile_of([Sighting(name=other)]))
    weights = replace(SHIPPED, common_values={"last name": {"meier": 5.0, "maier": 5.0}})

    match = decide(Sighting(name=one), [known], Scale(weights)).match

    assert match is not None
    assert min(line.bits for line in match.evidence.lines) == last


def test_a_short_form_of_a_common_name_is_still_that_name() -> None:
    known = Known(LeadId(UUID(int=1)), profile_of([Sighting(name=Name("john", "quill"))]))
    weights = replace(SHIPPED, common_values={"first name": {"jon": 4.0, "john": 4.0}})

    match = decide(Sighting(name=Name("jon", "quill")), [known], Scale(weights)).match

    assert match is not None
    assert [line.bits for line in match.evidence.lines] == [
        SHIPPED.by_level["first name", "near"].bits,
        SHIPPED.by_level["last name", "exact"].bits,
    ]


def test_a_table_from_before_a_level_was_told_apart_has_the_shipped_bits_for_it() -> None:
    document = SHIPPED.document()
    older = [dict(row) for row in document["rows"] if row["level"] not in {"swapped", "alike"}]
    del document["common_values"]

    found = read_weights(3, document | {"rows": older, "common_names": {"smith": 6.5}})

    assert found.by_level["postcode", "swapped"] == SHIPPED.by_level["postcode", "swapped"]
    assert found.common_values["last name"] == {"smith": 6.5}
    assert read_weights(3, found.document()) == found
