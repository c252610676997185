from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from leadhub.domain.ids import SubmissionId
from leadhub.domain.model import GoldenValue
from leadhub.domain.survivorship import candidates, fold

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


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


def test_a_personal_mailbox_survives_a_newer_role_mailbox_with_its_own_domain() -> None:
    personal = said(1, email="ada@example.com", email_domain="example.com", email_class="business")
    role = said(2, email="info@example.org", email_domain="example.org", email_class="role")

    assert values(fold(personal, role)) == {
        "email": "ada@example.com",
        "email_domain": "example.com",
        "email_class": "business",
    }


_SAID = st.builds(
    lambda minute, email, company, first_name: said(
        minute, email=email, email_class="role" if "info" in email else "free", company=company, first_name=first_name
    ),
    st.integers(0, 5),
    st.sampled_from(["a@example.com", "info@example.com", "b@example.com"]),
    st.sampled_from(["", "A", "B"]),
    st.sampled_from(["", "A.", "Ada", "Adah"]),
)


@given(st.lists(_SAID, min_size=2, max_size=5, unique_by=lambda golden: next(iter(golden.values())).at), st.randoms())
def test_the_order_of_folding_does_not_matter(parts: list[dict[str, GoldenValue]], random: object) -> None:
    shuffled = list(parts)
    random.shuffle(shuffled)  # type: ignore[attr-defined] # hypothesis types its Random as object

    def folded(sides: list[dict[str, GoldenValue]]) -> dict[str, object]:
        golden = sides[0]
        for side in sides[1:]:
            golden = fold(golden, side)
        return values(golden)

    assert folded(parts) == folded(shuffled)
    assert values(fold(parts[0], parts[0])) == values(parts[0])
