from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random
from uuid import UUID

import orjson
from hypothesis import given
from hypothesis import strategies as st

from leadhub.domain.ids import SubmissionId
from leadhub.domain.mailboxes import BOUNCED, state_of, told
from leadhub.domain.model import GoldenValue
from leadhub.domain.survivorship import candidates, fold, read, settle

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
MAILBOXES = {name: sha256(f"{name}@example.com".encode()).hexdigest() for name in ("a", "b", "info")}


def said(minute: int, **values: str) -> dict[str, GoldenValue]:
    return candidates(
        values, submission_id=SubmissionId(UUID(int=minute)), source="form", at=NOON + timedelta(minutes=minute)
    )


def values(golden: dict[str, GoldenValue]) -> dict[str, object]:
    return {name: value.value for name, value in golden.items()}


def test_the_newest_value_survives_with_its_provenance() -> None:
    golden = fold(said(1, company="Old Ltd"), said(2, company="New Ltd"))

    assert golden["company"].value == "New Ltd"
    assert golden["company"].submission_id == UUID(int=2)
    assert golden["company"].rule == "most recent"


def test_an_empty_value_never_overwrites_one() -> None:
    assert fold(said(1, company="Old Ltd"), said(2, company=""))["company"].value == "Old Ltd"


def test_a_name_is_worth_more_than_a_newer_initial() -> None:
    assert fold(said(1, first_name="Ada"), said(2, first_name="A."))["first_name"].value == "Ada"


def test_a_name_is_worth_more_than_what_somebody_is_called() -> None:
    golden = fold(
        said(1, first_name="Robert", full_name="Robert Stone", last_name="Stone"),
        said(2, first_name="Bob", full_name="Bob Stone", last_name="Rose"),
    )

    assert values(golden) == {"first_name": "Robert", "full_name": "Robert Stone", "last_name": "Rose"}
    assert values(fold(golden, said(3, first_name="Roberto")))["first_name"] == "Roberto"


def test_the_name_stated_most_often_survives_newer_ones() -> None:
    often, slip, newest = said(1, last_name="Kowalska"), said(3, last_name="Kowalsk"), said(4, last_name="King")
    golden = fold(fold(often, said(2, last_name="KOWALSKA")), fold(slip, newest))

    assert golden["last_name"].value == "KOWALSKA"
    assert golden["last_name"].rule == "a full name before an initial, then most frequent, then most recent"
    assert values(fold(golden, said(5, last_name="King")))["last_name"] == "King"


def test_the_most_frequent_name_of_two_leads_may_be_the_first_of_neither() -> None:
    one = fold(fold(said(1, last_name="King"), said(2, last_name="King")), said(3, last_name="Byron"))
    other = fold(fold(said(4, last_name="Noel"), said(5, last_name="Byron")), said(6, last_name="Noel"))
    third = said(7, last_name="Byron")

    assert values(fold(one, other))["last_name"] == "Noel"
    assert values(fold(fold(one, other), third))["last_name"] == "Byron"
    assert values(fold(one, fold(other, third)))["last_name"] == "Byron"


def test_a_nickname_stated_often_is_no_full_name() -> None:
    golden = fold(fold(said(1, first_name="Bob"), said(2, first_name="Bob")), said(3, first_name="Robert"))

    assert values(golden)["first_name"] == "Robert"


def test_a_name_with_its_other_spellings_survives_being_stored() -> None:
    golden = fold(fold(said(1, last_name="King"), said(2, last_name="Byron")), said(3, company="Acme"))

    stored = orjson.loads(orjson.dumps(golden))

    assert {name: read(value) for name, value in stored.items()} == golden


def test_a_personal_mailbox_survives_a_newer_role_mailbox_with_its_own_domain() -> None:
    personal = said(1, email="ada@example.com", email_domain="example.com", email_class="business")
    role = said(2, email="info@example.org", email_domain="example.org", email_class="role")

    assert values(fold(personal, role)) == {
        "email": "ada@example.com",
        "email_domain": "example.com",
        "email_class": "business",
    }


def test_a_mailbox_that_is_no_persons_never_covers_one_that_is() -> None:
    thrown_away = said(2, email="x@mailinator.com", email_class="disposable")
    role = said(1, email="info@example.org", email_class="role")

    assert values(fold(thrown_away, role))["email"] == "info@example.org"


def test_an_address_that_bounced_gives_way_until_somebody_answers_from_it() -> None:
    old, new = (said(n, email=f"{name}@example.com", email_class="free") for n, name in ((1, "a"), (2, "b")))
    golden = fold(fold(old, new), said(3, email="info@example.com", email_class="role"))

    def after(**words: str) -> dict[str, object]:
        return values(settle(golden, {MAILBOXES[name]: {what: NOON.isoformat()} for name, what in words.items()}))

    assert after()["email"] == "b@example.com"
    assert after(b="bounced")["email"] == "a@example.com"
    assert after(a="bounced", b="bounced") == {"email": "info@example.com", "email_class": "role"}
    assert after(a="confirmed")["email"] == "a@example.com"
    assert after(info="confirmed")["email"] == "b@example.com"
    earlier, later = (NOON.isoformat(), (NOON + timedelta(days=1)).isoformat())
    again = {"bounced": earlier, "confirmed": later}
    assert values(settle(golden, {MAILBOXES["b"]: again}))["email"] == "b@example.com"
    assert values(settle(golden, {MAILBOXES["b"]: again | {"bounced": later}}))["email"] == "a@example.com"
    assert golden["email"].rule.startswith("not one that bounced, personal before shared, confirmed before others")


def test_all_spellings_of_a_mailbox_bounce_with_it() -> None:
    golden = fold(said(1, email="ada@acme.example"), said(2, email="A.da+news@gmail.com"))

    bounce = told(sha256(b"ada@gmail.com").hexdigest(), BOUNCED, at=NOON)
    assert values(settle(golden, bounce))["email"] == "ada@acme.example"


def test_an_edited_address_stands_though_it_bounced() -> None:
    edit = candidates(
        {"email": "b@example.com"}, submission_id=SubmissionId(UUID(int=9)), source="ui", at=NOON, provenance="edited"
    )
    golden = fold(edit, said(2, email="a@example.com"))

    assert values(settle(golden, told(MAILBOXES["b"], BOUNCED, at=NOON)))["email"] == "b@example.com"


def test_a_title_comes_with_its_own_rank_and_department() -> None:
    golden = fold(
        said(1, job_title="CTO", seniority="c_level", department="engineering"),
        said(2, job_title="Beekeeper", seniority="individual"),
    )

    assert values(golden) == {"job_title": "Beekeeper", "seniority": "individual"}


def test_a_job_is_never_mixed_from_two() -> None:
    golden = fold(said(1, company="Acme GmbH", job_title="CTO", employees="50"), said(2, company="New Ltd"))

    assert values(golden) == {"company": "New Ltd", "former_job_title": "CTO", "former_employees": "50"}
    assert values(fold(golden, said(3, company="New Ltd.", job_title="CEO"))) == {
        "company": "New Ltd.",
        "job_title": "CEO",
        "former_employees": "50",
    }


def test_the_same_company_in_another_spelling_is_the_same_job() -> None:
    golden = fold(said(1, company="Köhler GmbH", job_title="CTO"), said(2, company="KOEHLER"))

    assert values(golden) == {"company": "KOEHLER", "job_title": "CTO"}


def test_a_complete_address_survives_a_newer_part_of_one_and_none_is_mixed() -> None:
    home = said(1, street="Hauptstr. 1", postal_code="10115", city="Berlin", country="DE")

    assert values(fold(home, said(2, city="Potsdam", country="DE"))) == values(home)
    assert values(fold(home, said(2, street="Ring 2", city="Bonn", country="DE"))) == {
        "street": "Ring 2",
        "city": "Bonn",
        "country": "DE",
    }
    assert values(fold(home, said(2, country="FR"))) == {
        "country": "FR",
        "former_street": "Hauptstr. 1",
        "former_postal_code": "10115",
        "former_city": "Berlin",
    }


def test_an_edit_by_a_person_stands_until_a_newer_edit() -> None:
    def edited(minute: int, **values: str) -> dict[str, GoldenValue]:
        return candidates(
            values,
            submission_id=SubmissionId(UUID(int=100 + minute)),
            source="ui",
            at=NOON + timedelta(minutes=minute),
            provenance="edited",
        )

    edit = edited(1, first_name="A.", job_title="Owner")
    golden = fold(edit, said(2, first_name="Ada", job_title="CTO"))

    assert values(golden) == {"first_name": "A.", "job_title": "Owner"}
    assert values(fold(golden, edited(3, job_title="Chair")))["job_title"] == "Chair"
    assert values(fold(golden, edited(3, first_name="B.")))["first_name"] == "B."


_FIELDS = {
    "email": st.sampled_from(["a@example.com", "info@example.com", "b@example.com"]),
    "company": st.sampled_from(["", "Acme", "Acme GmbH", "Other Ltd"]),
    "job_title": st.sampled_from(["", "CTO", "Owner"]),
    "employees": st.sampled_from(["", "5", "50"]),
    "first_name": st.sampled_from(["", "A.", "Bob", "Robert", "ROBERT", "Rob"]),
    "last_name": st.sampled_from(["", "King", "Byron", "Noel"]),
    "country": st.sampled_from(["", "DE", "FR"]),
    "city": st.sampled_from(["", "Berlin", "Paris"]),
    "street": st.sampled_from(["", "Hauptstr. 1"]),
}


def _spoken(minute: int, sent: dict[str, str], provenance: str) -> dict[str, GoldenValue]:
    derived = {"email_class": "role" if "info" in sent["email"] else "free"}
    derived |= {"seniority": "c_level"} if sent["job_title"] == "CTO" else {}
    return candidates(
        sent | derived,
        submission_id=SubmissionId(UUID(int=minute)),
        source="form",
        at=NOON + timedelta(minutes=minute),
        provenance=provenance,
    )


_SAID = st.builds(
    _spoken, st.integers(0, 9), st.fixed_dictionaries(_FIELDS), st.sampled_from(["stated", "stated", "edited"])
)
_SEVERAL = st.lists(_SAID, min_size=2, max_size=6, unique_by=lambda golden: next(iter(golden.values())).at)


def _folded(sides: list[dict[str, GoldenValue]]) -> dict[str, GoldenValue]:
    golden = sides[0]
    for side in sides[1:]:
        golden = fold(golden, side)
    return golden


_MAIL = st.dictionaries(
    st.sampled_from(sorted(MAILBOXES.values())),
    st.dictionaries(
        st.sampled_from(["bounced", "confirmed"]),
        st.integers(0, 9).map(lambda minute: (NOON + timedelta(minutes=minute)).isoformat()),
        min_size=1,
    ),
)


@given(_SEVERAL, _MAIL, st.randoms(), st.integers(1, 5))
def test_neither_order_nor_portions_of_folding_matter(
    parts: list[dict[str, GoldenValue]], mail: dict[str, dict[str, str]], random: Random, cut: int
) -> None:
    shuffled = list(parts)
    random.shuffle(shuffled)
    portions = [portion for portion in (shuffled[:cut], shuffled[cut:]) if portion]

    assert _folded([_folded(portion) for portion in portions]) == _folded(parts)
    assert fold(_folded(parts), _folded(parts)) == _folded(parts)
    # What became of mail may be known to any portion, or to all.
    some = [random.choice([settle(portion, mail), portion]) for portion in map(_folded, portions)]
    assert settle(_folded(some), mail) == settle(_folded(parts), mail)
    stored = orjson.loads(orjson.dumps(_folded(some)))
    assert {name: read(value) for name, value in stored.items()} == _folded(some)


@given(_SEVERAL, _MAIL)
def test_the_shown_address_is_an_edit_or_one_that_works_if_there_is_one(
    parts: list[dict[str, GoldenValue]], mail: dict[str, dict[str, str]]
) -> None:
    stated = {str(part["email"].value): part["email"].provenance for part in parts}
    shown = settle(_folded(parts), mail)["email"]

    if "edited" in {part["email"].provenance for part in parts}:
        assert shown.provenance == "edited"
    elif state_of(str(shown.value), mail).has_bounced:
        assert all(state_of(address, mail).has_bounced for address in stated)


@given(_SEVERAL)
def test_what_is_shown_of_a_job_and_of_a_place_belongs_together(parts: list[dict[str, GoldenValue]]) -> None:
    golden = _folded(parts)

    for name, value in golden.items():
        anchor = golden.get({"job_title": "company", "employees": "company", "city": "country"}.get(name, ""))
        assert anchor is None or value.beside in {None, anchor.beside}
