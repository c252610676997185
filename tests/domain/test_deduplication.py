from uuid import UUID

import pytest

from leadhub.domain.deduplication import Agreement, Arrival, Key, Known, Name, compare_names, decide
from leadhub.domain.ids import LeadId

EMAIL = Key("email", "ada@example.com")
OTHER_EMAIL = Key("email", "ada.byron@example.org")
PHONE = Key("phone", "+442079460018")
CRM = Key("external:crm", "7")


def known(number: int, *keys: Key, first: str | None = "Ada", shared: bool = False) -> Known:
    return Known(LeadId(UUID(int=number)), Name(first, "Byron"), dict.fromkeys(keys, shared))


@pytest.mark.parametrize(
    ("one", "other", "agreement"),
    [
        (Name("Ada"), Name("ada"), Agreement.AGREE),
        (Name("José"), Name("Jose"), Agreement.AGREE),
        (Name("A."), Name("Ada"), Agreement.AGREE),
        (Name("Bob"), Name("Robert"), Agreement.AGREE),
        (Name("Hans"), Name("Hans-Peter"), Agreement.AGREE),
        (Name("Micheal"), Name("Michael"), Agreement.AGREE),
        (Name("Stone", "Bob"), Name("Bob", "Stone"), Agreement.AGREE),
        (Name(None, "Stone"), Name("Bob", "Stone"), Agreement.UNKNOWN),
        (Name("Anna", "Stone"), Name("Peter", "Stone"), Agreement.CONTRADICT),
        (Name("由紀", "田中"), Name("Yuki", "Tanaka"), Agreement.UNKNOWN),
        (Name("由紀", "田中"), Name("健", "田中"), Agreement.CONTRADICT),
        (Name("Bill", "Stone"), Name("Bob", "Stone"), Agreement.CONTRADICT),
    ],
)
def test_names_agree_contradict_or_say_nothing(one: Name, other: Name, agreement: Agreement) -> None:
    assert compare_names(one, other) is agreement
    assert compare_names(other, one) is agreement


@pytest.mark.parametrize("key", [EMAIL, PHONE, CRM])
def test_one_key_finds_a_person(key: Key) -> None:
    decision = decide(Arrival((key,), Name("Ada")), [known(1, key)])

    assert decision.lead_id == LeadId(UUID(int=1))


@pytest.mark.parametrize("key", [EMAIL, PHONE])
def test_a_contradicting_first_name_makes_a_new_person_and_a_shared_key(key: Key) -> None:
    decision = decide(Arrival((key,), Name("Charles")), [known(1, key)])

    assert decision.lead_id is None
    assert decision.becomes_shared == (key,)


def test_the_senders_own_id_beats_a_contradicting_name() -> None:
    assert decide(Arrival((CRM,), Name("Charles")), [known(1, CRM)]).lead_id == LeadId(UUID(int=1))


def test_two_ids_from_one_sender_are_two_people_although_they_share_a_mailbox() -> None:
    decision = decide(Arrival((Key("external:crm", "8"), EMAIL), Name("Ada")), [known(1, CRM, EMAIL)])

    assert decision.lead_id is None


def test_a_shared_key_finds_only_somebody_whose_name_agrees() -> None:
    family = [known(1, PHONE, first="Ada", shared=True), known(2, PHONE, first="Charles", shared=True)]

    assert decide(Arrival((PHONE,), Name("Charles")), family).lead_id == LeadId(UUID(int=2))
    assert decide(Arrival((PHONE,), Name()), family).lead_id is None
    assert decide(Arrival((PHONE,), Name("Peter")), family).lead_id is None


def test_keys_of_two_leads_tie_them_together() -> None:
    decision = decide(Arrival((EMAIL, PHONE), Name("Ada")), [known(1, EMAIL), known(2, PHONE)])

    assert decision.lead_id == LeadId(UUID(int=1))
    assert decision.ties == (LeadId(UUID(int=2)),)


def test_leads_that_contradict_each_other_are_not_tied() -> None:
    nameless = Arrival((EMAIL, PHONE), Name())

    decision = decide(nameless, [known(1, EMAIL, first="Ada"), known(2, PHONE, first="Charles")])

    assert decision.lead_id == LeadId(UUID(int=1))
    assert decision.ties == ()


def test_no_automatic_merge_makes_a_person_of_many_mailboxes() -> None:
    many = [Key("email", f"ada{number}@example.com") for number in range(5)]

    decision = decide(Arrival((EMAIL, PHONE), Name("Ada")), [known(1, EMAIL), known(2, PHONE, *many)])

    assert decision.ties == ()
