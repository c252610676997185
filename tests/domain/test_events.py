import orjson
import pytest

from leadhub.domain import events
from leadhub.domain.event_examples import EXAMPLES
from leadhub.domain.fields import FIELDS


def test_a_contact_can_carry_every_canonical_field() -> None:
    assert set(events.Contact.model_fields) - {"custom", "email_domain"} == set(FIELDS)


def test_what_is_unknown_of_a_contact_is_left_out() -> None:
    contact = events.Contact.of(
        {"email": "ada@acme.example", "employees": 120, "email_class": "business"}, {"a": ["b"]}
    )

    assert contact.model_dump(mode="json") == {"email": "ada@acme.example", "employees": 120, "custom": {"a": ["b"]}}


def test_a_touch_is_read_as_a_lead_keeps_it() -> None:
    flat = {
        "source": "Website",
        "channel": "form",
        "at": "2026-01-15T09:30:00+00:00",
        "submission_id": "019bc0fd-89bf-7000-8000-000000000001",
        "utm_source": "newsletter",
    }

    read = events.Attribution.model_validate({"first": flat, "last": flat})

    assert read.first is not None
    assert read.first.parameters == {"utm_source": "newsletter"}
    assert events.Attribution.model_validate(read.model_dump()) == read


@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_body_is_compact_and_begins_with_what_it_is_and_when(kind: str) -> None:
    body = events.body(EXAMPLES[kind])

    assert body.startswith(b'{"type":"%b","timestamp":"2026-01-15T09:30:00.123456Z","data":{' % kind.encode())
    assert body == orjson.dumps(orjson.loads(body))
    assert events.EVENTS[EXAMPLES[kind].type].model_validate_json(body) == EXAMPLES[kind]


def test_consents_are_read_as_a_lead_keeps_them() -> None:
    stored = {"marketing": {"email": {"granted": True, "at": "2026-01-15T09:30:00+00:00", "submission_id": "x"}}}

    [consent] = events.Consent.all_of(stored)

    assert (consent.purpose, consent.channel, consent.granted) == ("marketing", "email", True)
