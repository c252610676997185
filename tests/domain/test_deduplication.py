from hashlib import sha256
from uuid import UUID

import pytest

from leadhub.domain.deduplication import MOST_SUBMISSIONS, Decision, Key, Known, Scale, Sighting, decide
from leadhub.domain.ids import LeadId
from leadhub.domain.matching.profile import profile_of, read
from leadhub.domain.matching.sighting import sighting_of
from leadhub.domain.normalisation import normalise

SCALE = Scale(bits_to_pick_one=13)
EMAIL = "ada@example.com"
MOBILE = "+4915123456789"
LANDLINE = "+493012345678"


def seen(external: str | None = None, **fields: str) -> Sighting:
    key = Key("external:crm", external) if external else None
    return sighting_of(normalise(fields), external=key)


def hashed(email: str) -> str:
    return sha256(email.encode()).hexdigest()


def lead(number: int, *sightings: Sighting, shared: bool = False, apart_from: int | None = None) -> Known:
    keys = {key: is_shared or shared for one in sightings for key, is_shared in one.keys.items()}
    apart = frozenset({LeadId(UUID(int=apart_from))} if apart_from else ())
    return Known(LeadId(UUID(int=number)), profile_of(sightings), keys, apart)


def found(sighting: Sighting, *leads: Known) -> int | None:
    lead_id = decided(sighting, *leads).lead_id
    return lead_id.int if lead_id else None


def decided(sighting: Sighting, *leads: Known) -> Decision:
    asked = set(sighting.keys)
    for one in leads:
        one.keys = {key: is_shared for key, is_shared in one.keys.items() if key in asked}
    return decide(sighting, leads, SCALE)


@pytest.mark.parametrize(
    ("stored", "arriving"),
    [
        ({"email": EMAIL}, {"email": EMAIL}),
        ({"phone": MOBILE}, {"phone": MOBILE}),
        ({"email": EMAIL, "first_name": "Robert"}, {"email": EMAIL, "first_name": "Bob"}),
        ({"email": EMAIL, "full_name": "Ada King"}, {"email": EMAIL, "full_name": "Ada Lovelace"}),
        ({"email": EMAIL, "full_name": "Ada King"}, {"email": EMAIL, "first_name": "King", "last_name": "Ada"}),
        (
            {"email": "ada.king@gmail.com", "full_name": "Ada King"},
            {"email": "ada.king@gmial.com", "full_name": "Ada King"},
        ),
        ({"phone": MOBILE, "full_name": "Ada King"}, {"phone": MOBILE[:-1] + "8", "full_name": "Ada King"}),
        (
            {"full_name": "Ada King", "street": "Hauptstr. 5", "postal_code": "10115", "country": "DE"},
            {"full_name": "Ada Kinge", "street": "Hauptstraße 5", "postal_code": "10115", "country": "DE"},
        ),
        (
            {"full_name": "Ada King", "street": "Lindenberger Weg 5", "postal_code": "10115", "country": "DE"},
            {"full_name": "Ada King", "street": "Lindnberger Weeg 5", "postal_code": "10151", "country": "DE"},
        ),
        (
            {"full_name": "Ada King", "company": "Acme GmbH"},
            {"full_name": "Ada King", "company": "ACME", "phone": MOBILE},
        ),
        (
            {"full_name": "Ada King", "company": "Acme GmbH", "email": EMAIL, "phone": MOBILE},
            {"full_name": "Ada King", "company": "ACME", "email": "ada.king@gmx.de", "phone": LANDLINE},
        ),
        (
            {"full_name": "Ada King", "email": "ada@northwind-foods.de"},
            {"full_name": "Ada King", "company": "Northwind Foods GmbH", "phone": MOBILE},
        ),
        (
            {"full_name": "Ada King", "company": "Northwind Foods", "phone": MOBILE},
            {"full_name": "Ada King", "email": "ada@mail.northwindfoods.de"},
        ),
        (
            {"email": "ada.king@gmail.com", "full_name": "Ada King"},
            {"email": "ada.kign@gmail.com", "first_name": "Ada"},
        ),
        (
            {"phone": MOBILE, "full_name": "Ada King", "email": EMAIL},
            {"phone": MOBILE[:-1] + "8", "full_name": "Ada King", "email": "ada.king@gmx.de"},
        ),
        ({"phone": "+14155550123", "full_name": "Ada King"}, {"phone": "+14155550123"}),
        ({"email": EMAIL, "full_name": "John Smith Jr."}, {"email": EMAIL, "full_name": "John Smith"}),
        (
            {"email": EMAIL, "phone": MOBILE, "full_name": "John Smith Jr."},
            {"email": "john.smith@gmx.de", "phone": MOBILE, "full_name": "John Smith"},
        ),
        ({"email": EMAIL, "full_name": "John Smith Jr."}, {"email": EMAIL, "full_name": "John Smith Junior"}),
        ({"full_name": "Ada King", "email": "info@acme.de"}, {"full_name": "Ada King", "email": "info@acme.de"}),
        ({"email": "info@acme.de"}, {"email": "info@acme.de"}),
        (
            {"full_name": "Ada King", "company": "Acme", "phone": MOBILE},
            {"first_name": "Ada", "company": "Acme", "email": "aking@gmx.de"},
        ),
        ({"email": EMAIL}, {"email": hashed(EMAIL)}),
        ({"email": hashed(EMAIL)}, {"email": EMAIL}),
        ({"email": "Ada.King+news@gmail.com"}, {"email": hashed("ada.king+news@gmail.com")}),
        ({"email": "Ada.King+news@gmail.com"}, {"email": hashed("adaking@gmail.com")}),
        ({"email": hashed("ada.king@gmail.com")}, {"email": "ada.king@gmail.com", "first_name": "Ada"}),
    ],
)
def test_one_person_is_recognised(stored: dict[str, str], arriving: dict[str, str]) -> None:
    assert found(seen(**arriving), lead(1, seen(**stored))) == 1


@pytest.mark.parametrize(
    ("stored", "arriving"),
    [
        ({"email": EMAIL, "first_name": "Anna"}, {"email": EMAIL, "first_name": "Peter"}),
        ({"phone": MOBILE, "first_name": "Anna"}, {"phone": MOBILE, "first_name": "Peter"}),
        ({"email": EMAIL, "full_name": "John Smith Sr."}, {"email": EMAIL, "full_name": "John Smith Jr."}),
        (
            {"email": EMAIL, "phone": MOBILE, "full_name": "John Smith Jr."},
            {"email": EMAIL, "phone": "+4917012121212", "full_name": "John Smith"},
        ),
        (
            {"email": EMAIL, "phone": LANDLINE, "full_name": "John Smith"},
            {"email": "john.smith@gmx.de", "phone": LANDLINE, "full_name": "John Smith Jr."},
        ),
        ({"email": "anna.berg@gmail.com", "full_name": "Anna Berg"}, {"email": "anna.bern@gmail.com"}),
        (
            {"full_name": "Anna Berg", "email": "anna@northwind.de"},
            {"full_name": "Anna Berg", "email": "anna@gmx.de", "company": "Southwind"},
        ),
        ({"phone": LANDLINE, "full_name": "Anna Berg"}, {"phone": LANDLINE}),
        (
            {"phone": LANDLINE, "email": "hans.kohl@gmx.de", "full_name": "Hans Kohl"},
            {"phone": LANDLINE, "full_name": "Hans Kohl Jr."},
        ),
        (
            {"company": "Smith Plumbing", "email": EMAIL, "full_name": "John Smith"},
            {"company": "Smith Plumbing", "email": "jr@gmx.de", "full_name": "John Smith Jr."},
        ),
        ({"email": EMAIL, "full_name": "John Smith"}, {"email": EMAIL, "full_name": "Joan Smith"}),
        (
            {"phone": LANDLINE, "email": EMAIL, "full_name": "Andreas Müller"},
            {"phone": LANDLINE, "email": "am@gmx.de", "full_name": "Andrea Müller"},
        ),
        ({"company": "Acme", "email": EMAIL, "full_name": "王伟"}, {"company": "Acme", "full_name": "王伟明"}),
        ({"email": "info@acme.de", "full_name": "Anna Berg"}, {"email": "info@acme.de"}),
        ({"full_name": "Anna Berg", "email": "anna@acme.de"}, {"full_name": "Anna Berg", "email": "anna@other.de"}),
        ({"full_name": "Anna Berg"}, {"full_name": "Anna Berg"}),
        ({"email": EMAIL}, {"email": hashed("eve@example.com")}),
        ({"email": EMAIL, "first_name": "Anna"}, {"email": hashed(EMAIL), "first_name": "Peter"}),
        (
            {"email": "anna1@gmail.com", "full_name": "Anna Berg"},
            {"email": "anna2@gmail.com", "full_name": "Anna Berg"},
        ),
    ],
)
def test_two_people_stay_apart(stored: dict[str, str], arriving: dict[str, str]) -> None:
    assert found(seen(**arriving), lead(1, seen(**stored))) is None


def test_a_contradicting_first_name_makes_a_question_and_a_shared_key() -> None:
    decision = decided(seen(email=EMAIL, first_name="Charles"), lead(1, seen(email=EMAIL, first_name="Ada")))

    assert decision.answer == "review"
    assert decision.question is not None
    assert decision.question.objection == "the first names contradict each other"
    assert decision.becomes_shared == (Key("email", EMAIL),)


def test_the_majority_of_first_names_counts_against_somebody_new() -> None:
    ada = [seen(email=EMAIL, first_name="Ada")] * 2
    odd = seen(email=EMAIL, first_name="Wilhelm")

    assert found(seen(email=EMAIL, first_name="Ada"), lead(1, *ada, odd)) == 1
    assert found(seen(email=EMAIL, first_name="Wilhelm"), lead(1, *ada, odd)) is None


def test_an_initial_counts_neither_for_nor_against_two_names() -> None:
    john, jane = seen(email=EMAIL, full_name="John Smith"), seen(email=EMAIL, full_name="Jane Smith")
    initial = seen(email=EMAIL, full_name="J. Smith")

    decision = decided(jane, lead(1, john, initial, shared=True), lead(2, jane, shared=True))

    assert (decision.lead_id, decision.ties) == (LeadId(UUID(int=2)), ())


def test_a_first_name_that_two_of_a_family_have_picks_neither() -> None:
    smith, stone = seen(email=EMAIL, full_name="John Smith"), seen(email=EMAIL, full_name="John Stone")
    both = lead(1, smith, shared=True), lead(2, stone, shared=True)

    assert decided(seen(email=EMAIL, first_name="John"), *both).answer == "review"
    assert found(seen(email=EMAIL, full_name="John Stone"), *both) == 2


def test_two_spellings_of_a_name_do_not_outvote_it() -> None:
    david = [seen(email=EMAIL, phone=MOBILE, full_name=name) for name in ("Dvid Stone", "Dhvid Stone", "David Stone")]
    sam = [seen(email=EMAIL, full_name=name) for name in ("Samantha Stone", "Samantha Stone", "Sam Stone")]

    assert found(seen(email=EMAIL, full_name="Dave Stone"), lead(1, *david)) == 1
    assert found(seen(email=EMAIL, full_name="Samuel Stone"), lead(1, *sam)) is None


def test_a_short_form_of_two_names_ties_neither_to_the_other() -> None:
    samuel, samantha = seen(email=EMAIL, full_name="Samuel Meyer"), seen(phone=MOBILE, full_name="Samantha Meyer")
    arriving = seen(email=EMAIL, phone=MOBILE, full_name="Sam Meyer")

    assert decided(arriving, lead(1, samuel), lead(2, samantha)).ties == ()


def test_whoever_moved_married_and_changed_jobs_is_asked_about() -> None:
    before = {"street": "Ring 5", "postal_code": "10115", "city": "Berlin", "company": "Acme", "phone": MOBILE}
    after = {"street": "Alster 1", "postal_code": "20095", "city": "Hamburg", "company": "Bolt", "phone": LANDLINE}
    ada = lead(1, seen(email=EMAIL, full_name="Ada King", country="DE", **before))

    assert decided(seen(email=EMAIL, full_name="Ada Lovelace", country="DE", **after), ada).answer == "review"


def test_a_number_that_a_regular_gave_long_ago_is_still_theirs() -> None:
    numbers = [f"+4915123456{number}" for number in range(100, 130)]
    regular = lead(1, *(seen(email=EMAIL, full_name="Ada King", phone=number) for number in numbers))

    assert found(seen(full_name="Ada King", phone=numbers[25]), regular) == 1


def test_the_senders_own_id_beats_a_contradicting_name() -> None:
    assert found(seen("7", first_name="Charles"), lead(1, seen("7", first_name="Ada"))) == 1


def test_two_ids_from_one_sender_are_two_people_although_they_share_a_mailbox() -> None:
    decision = decided(seen("8", email=EMAIL), lead(1, seen("7", email=EMAIL)))

    assert decision.answer == "new"
    assert "same e-mail, but the sender has another id for that person" in decision.because
    assert decision.becomes_shared == (Key("email", EMAIL),)


def test_a_shared_key_finds_only_somebody_whose_name_agrees() -> None:
    def family() -> tuple[Known, Known]:
        ada, charles = seen(email=EMAIL, full_name="Ada Stone"), seen(email=EMAIL, full_name="Charles Stone")
        return lead(1, ada, shared=True), lead(2, charles, shared=True)

    assert found(seen(email=EMAIL, first_name="Charles"), *family()) == 2
    assert found(seen(email=EMAIL), *family()) is None
    assert found(seen(email=EMAIL, first_name="Peter"), *family()) is None


@pytest.mark.parametrize("email", [EMAIL, hashed(EMAIL)])
def test_a_mailbox_that_one_lead_knows_only_hashed_is_shared_by_both(email: str) -> None:
    def both() -> tuple[Known, Known]:
        ada, bo = seen(email=EMAIL, full_name="Ada Stone"), seen(email=hashed(EMAIL), full_name="Bo Stone")
        return lead(1, ada), lead(2, bo)

    nobody = decided(seen(email=email), *both())
    assert nobody.lead_id is None
    assert nobody.becomes_shared == (*seen(email=email).keys,)
    assert found(seen(email=email, first_name="Bo"), *both()) == 2


def test_a_switchboard_needs_the_whole_name() -> None:
    anna = lead(1, seen(phone=LANDLINE, full_name="Anna Berg", company="Acme"), shared=True)

    assert found(seen(phone=LANDLINE, first_name="Anna", company="Acme"), anna) is None
    assert found(seen(phone=LANDLINE, full_name="Anna Berg", company="Acme"), anna) == 1


def test_keys_of_two_leads_tie_them_together() -> None:
    arriving = seen(email=EMAIL, phone=MOBILE, first_name="Ada")

    decision = decided(arriving, lead(1, seen(email=EMAIL)), lead(2, seen(phone=MOBILE)))

    assert {decision.lead_id, *decision.ties} == {LeadId(UUID(int=1)), LeadId(UUID(int=2))}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lead(1, seen(email=EMAIL, first_name="Ada")), lead(2, seen(phone=MOBILE, first_name="Charles"))),
        (lead(1, seen("7", email=EMAIL)), lead(2, seen("8", phone=MOBILE))),
        (lead(1, seen(email=EMAIL)), lead(2, seen(phone=MOBILE), apart_from=1)),
        (lead(1, seen(email=EMAIL)), lead(2, *[seen(phone=MOBILE)] * MOST_SUBMISSIONS)),
        (
            lead(1, seen(email=EMAIL)),
            lead(2, *(seen(phone=MOBILE, email=f"ada{number}.king@example.com") for number in range(5))),
        ),
        (
            lead(1, seen(email=EMAIL, full_name="John Smith")),
            lead(2, seen(phone=MOBILE, full_name="John Smith Jr.")),
        ),
    ],
    ids=["names", "ids", "declared apart", "submissions", "mailboxes", "generation"],
)
def test_leads_that_contradict_each_other_are_not_tied_and_a_person_is_asked(one: Known, other: Known) -> None:
    decision = decided(seen(email=EMAIL, phone=MOBILE), one, other)

    assert decision.lead_id == LeadId(UUID(int=1))
    assert decision.ties == ()
    assert decision.question is None or decision.question.lead_id == LeadId(UUID(int=2))
    assert Key("phone", MOBILE) in decision.becomes_shared


def test_a_misspelt_first_name_among_others_does_not_keep_two_leads_apart() -> None:
    cindy = [seen(email=EMAIL, first_name=name) for name in ("Cythia", "Cynthia", "Cindy")]

    decision = decided(
        seen(email=EMAIL, phone=MOBILE), lead(1, *cindy), lead(2, seen(phone=MOBILE, first_name="Cindy"))
    )

    assert {decision.lead_id, *decision.ties} == {LeadId(UUID(int=1)), LeadId(UUID(int=2))}


def test_a_whole_first_name_ties_two_forms_of_it_and_an_initial_does_not() -> None:
    def ties(first: str) -> int:
        known = lead(1, seen(email=EMAIL, first_name="Ancdrew")), lead(2, seen(phone=MOBILE, first_name="Drew"))
        return len(decided(seen(email=EMAIL, phone=MOBILE, first_name=first), *known).ties)

    assert [ties(first) for first in ("Andrew", "A.", "")] == [1, 0, 0]


def test_a_senders_id_ties_nobody_of_another_name_to_its_person() -> None:
    ada, charles = seen("7", first_name="Ada"), seen(email=EMAIL, first_name="Charles")

    decision = decided(seen("7", email=EMAIL, first_name="Charles"), lead(1, ada), lead(2, charles))

    assert (decision.lead_id, decision.ties) == (LeadId(UUID(int=1)), ())
    assert decision.question is not None
    assert decision.question.because.startswith("same e-mail, but their first names contradict each other")


def test_a_name_in_a_script_of_its_own_ties_no_two_names() -> None:
    ada, charles = seen(email=EMAIL, first_name="Ada"), seen(phone=MOBILE, first_name="Charles")

    assert decided(seen(email=EMAIL, phone=MOBILE, first_name="由紀子"), lead(1, ada), lead(2, charles)).ties == ()


def test_what_leads_have_together_is_limited_however_many_a_submission_ties() -> None:
    many = [
        lead(1, *[seen("7")] * 10),
        lead(2, *[seen(email=EMAIL)] * 10),
        lead(3, *[seen(phone=MOBILE)] * 10),
    ]
    mailboxes = [
        lead(1, *(seen("7", email=f"ada{number}.king@example.com") for number in range(2))),
        lead(2, *(seen(email=email) for email in (EMAIL, "ada@example.org"))),
        lead(3, *(seen(phone=MOBILE, email=f"king{number}.ada@example.com") for number in range(2))),
    ]

    for leads in (many, mailboxes):
        decision = decided(seen("7", email=EMAIL, phone=MOBILE), *leads)
        assert len(decision.ties) == 1
        assert decision.question is not None
        assert "together they have too many" in decision.question.because


def test_who_was_said_to_be_somebody_else_than_a_tied_lead_is_not_asked_about() -> None:
    def leads(apart_from: int | None) -> list[Known]:
        mailbox, phone = seen(email=EMAIL, full_name="Ada King"), seen(phone=MOBILE, full_name="Ada King")
        other = seen(phone=LANDLINE, full_name="Ada King")
        return [lead(1, mailbox), lead(2, phone, apart_from=apart_from), lead(3, other)]

    arriving = seen(email=EMAIL, phone=MOBILE, full_name="Ada King")

    assert decided(arriving, *leads(None)).question is not None
    assert decided(arriving, *leads(3)).question is None


def test_a_sixth_mailbox_or_phone_needs_the_mailbox_and_the_name() -> None:
    def regular(**each: list[str]) -> Known:
        kind, values = next(iter(each.items()))
        return lead(
            1, *(seen(**{"email": EMAIL, "phone": MOBILE, "full_name": "Ada King", kind: one}) for one in values)
        )

    phones = regular(phone=[f"+491512345678{number}" for number in range(5)])
    emails = regular(email=[EMAIL, *(f"ada{number}.king@example.com" for number in range(4))])

    assert found(seen(email=EMAIL, full_name="Ada King", phone="+4917012121212"), phones) == 1
    assert found(seen(email=EMAIL, phone="+4917012121212"), phones) is None
    assert found(seen(email="ada@example.org", full_name="Ada King", phone=MOBILE), emails) is None
    assert found(seen(email=hashed(EMAIL)), emails) == 1
    assert found(seen(email="info@example.com", full_name="Ada King", phone=MOBILE, company="Acme"), emails) == 1


def test_an_address_may_say_the_name_that_a_proof_needs() -> None:
    ada = lead(1, seen(full_name="Ada King", company="Acme", phone=MOBILE))

    assert found(seen(first_name="Ada", email="ada.king@gmx.de", company="Acme"), ada) == 1


def test_whoever_changed_mailbox_and_phone_is_found_at_home_unless_a_generation_is_said() -> None:
    home = {"street": "Ring 5", "postal_code": "10115", "city": "Berlin", "country": "DE"}
    father = lead(1, seen(**home, full_name="Karl Berg", email="karl.berg@gmx.de", phone=MOBILE))
    other = {"email": "karlchen@web.de", "phone": "+4917012121212"}

    assert found(seen(**home, **other, full_name="Karl Berg"), father) == 1
    assert decided(seen(**home, **other, full_name="Karl Berg Jr."), father).answer == "review"


def test_addresses_that_differ_as_the_names_do_are_no_slip() -> None:
    narim = seen(email="antonio.narim@hotmail.com", full_name="Antonio Narim")

    assert found(seen(email="antonio.marim@hotmail.com", full_name="Antonio Marim"), lead(1, narim)) is None
    assert found(seen(email="antonio.nraim@hotmail.com", full_name="Antonio Narim"), lead(1, narim)) == 1


def test_who_is_one_lead_for_certain_and_perhaps_another_is_asked_about_that_one() -> None:
    ada, namesake = seen(email=EMAIL, full_name="Ada King"), seen(phone=LANDLINE, full_name="Ada King")
    arriving = seen(email=EMAIL, full_name="Ada King")

    decision = decided(arriving, lead(1, ada), lead(2, namesake))

    assert (decision.answer, decision.lead_id) == ("same", LeadId(UUID(int=1)))
    assert decision.question is not None
    assert decision.question.lead_id == LeadId(UUID(int=2))
    assert decided(arriving, lead(1, ada, apart_from=2), lead(2, namesake)).question is None


def test_a_name_that_several_leads_have_picks_none_of_them() -> None:
    home = {"full_name": "Ada King", "postal_code": "28013", "city": "Madrid"}
    namesakes = [lead(number, seen(**home, phone=f"+3461111111{number}")) for number in range(1, 4)]
    arriving = seen(full_name="Ada King", phone=MOBILE)

    alone, among = decided(arriving, namesakes[0]), decided(arriving, *namesakes)
    near = decided(seen(**home, phone=MOBILE), *namesakes)

    assert (alone.answer, among.answer, near.answer) == ("review", "new", "review")
    assert near.question is not None
    assert near.question.evidence.lines[-1].meaning == "3 leads have this name"
    document = near.question.document()
    assert document["bits"] == document["start"] + sum(line["bits"] for line in document["lines"])


def test_a_name_alone_is_a_question_and_never_a_match() -> None:
    decision = decided(seen(full_name="Ada King"), lead(1, seen(full_name="Ada King", phone=MOBILE)))

    assert decision.answer == "review"


def test_the_lines_of_an_explanation_add_up_and_hold_nothing_of_the_person() -> None:
    arriving = seen(email=EMAIL, full_name="Ada King", phone=MOBILE)

    decision = decided(arriving, lead(1, seen(email=EMAIL, full_name="Ada Kingly", company="Acme")))

    assert decision.match is not None
    document = decision.match.document()
    assert document["bits"] == document["start"] + sum(line["bits"] for line in document["lines"])
    assert not any(value in str(document) for value in (EMAIL, "King", MOBILE, "acme"))


def test_a_profile_survives_being_stored() -> None:
    place = {"street": "High Street 1", "city": "London"}
    profile = profile_of([seen("7", email=EMAIL, phone=MOBILE, full_name="Ada King", company="Acme", **place)])

    assert read(profile.document()) == profile


def test_uniting_profiles_equals_folding_all_their_sightings() -> None:
    some, more = [seen(email=EMAIL, first_name="Ada")], [seen(phone=MOBILE, full_name="Ada King"), seen(email=EMAIL)]
    united = profile_of(some)

    united.unite(profile_of(more))

    assert united == profile_of([*some, *more])
