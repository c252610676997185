"""The shipped leads are what the demo says they are."""

import re
from collections import Counter
from datetime import UTC, datetime

import pytest

from leadhub.channels.protocol import Connection, Inbound, Unpacked
from leadhub.channels.registry import CHANNELS
from leadhub.demo.samples import SOURCES, Sample, SampleRequest, requests, samples
from leadhub.domain.errors import LeadHubError
from leadhub.domain.ids import SourceId, uuid7
from leadhub.domain.normalisation import normalise

ALL = samples()
NOW = datetime(2026, 1, 15, tzinfo=UTC)
PAGE = "https://www.example.com"


def _unpacked(request: SampleRequest) -> tuple[Unpacked, ...]:
    channel = CHANNELS[request.source.channel]
    options = channel.validate_options(request.source.options(origin=PAGE))
    source_id = SourceId(uuid7(NOW, bytes(10)))
    connection = Connection(source_id, channel.name, request.source.name, request.source.key, options)
    headers = {"content-type": [request.media_type], "accept": ["application/json"]}
    return channel.unpack(Inbound("POST", "", headers, request.body, "192.0.2.1", NOW), connection).submissions


def _people(**expected: str) -> set[str]:
    return {one.person for one in ALL if all(getattr(one, name) == value for name, value in expected.items())}


@pytest.mark.parametrize("request_", list(requests(ALL)), ids=lambda one: one.samples[0].person)
def test_the_door_reads_each_as_expected(request_: SampleRequest) -> None:
    expected = [one.expect for one in request_.samples]

    if expected == ["refused"]:
        with pytest.raises(LeadHubError):
            _unpacked(request_)
        return
    assert [one.is_spam for one in _unpacked(request_)] == [one == "spam" for one in expected]


def test_there_are_about_sixty_of_some_forty_people() -> None:
    people = {one.person for one in ALL if one.is_lead}

    assert 55 <= len(ALL) <= 65
    assert 40 <= len(people) <= 50


def test_every_fate_and_every_way_in_is_there() -> None:
    fates = Counter(one.expect for one in ALL)

    assert set(fates) == {"sales", "nurture", "none", "spam", "refused"}
    assert {one.source for one in ALL} == set(SOURCES)
    assert any(len(one.samples) > 1 for one in requests(ALL)), "a batch"
    assert {one.encoding for one in ALL if SOURCES[one.source].channel == "form"} == {"urlencoded", "json"}


def test_the_people_come_from_many_countries_and_scripts() -> None:
    countries = {
        normalise({"country": str(one.body["country"])}).values.get("country") for one in ALL if "country" in one.body
    }
    text = "".join(str(value) for one in ALL for value in one.body.values())

    assert len(countries - {None}) >= 12
    for script in ("\u4e00-\u9fff", "\u0600-\u06ff", "\u0590-\u05ff", "\uac00-\ud7af", "äöüßéø"):
        assert re.search(f"[{script}]", text), script


def test_all_addresses_and_numbers_are_invented() -> None:
    for one in ALL:
        address = str(one.body.get("email", ""))
        assert not address or re.search(r"(\.example|@test\.com|@kurz)\s*>?\s*$", address.casefold()), address
    for one in ALL:
        if "phone" in one.body and one.is_lead:
            country = str(one.body.get("country", ""))
            read = normalise({"phone": str(one.body["phone"]), "country": country}, default_country="DE")
            assert read.values.get("phone"), one


def test_the_special_cases_that_the_demo_promises_are_there() -> None:
    text = "\n".join(one.shows for one in ALL)

    assert {one.person for one in ALL if "rival.example" in str(one.body)} <= _people(expect="none")
    learners = {
        one.person for one in ALL if re.search("student|intern$", str(one.body.get("job_title")), re.IGNORECASE)
    }
    assert len(learners) >= 2
    assert learners <= _people(expect="nurture")
    for promise in ("perfect fit", "newsletter only", "script tag", "SQL", "honeypot", "writing direction", "formula"):
        assert promise in text, promise


def test_somebody_comes_again_in_another_spelling() -> None:
    spellings: dict[str, set[str]] = {}
    for one in ALL:
        if one.is_lead:
            spellings.setdefault(one.person, set()).add(str(one.body.get("email", "")))

    assert sum(len(found) > 1 for found in spellings.values()) >= 6


def test_a_batch_is_one_request_and_keeps_the_order() -> None:
    order = [sample for one in requests(ALL) for sample in one.samples]

    assert order == ALL


def test_samples_are_read_only() -> None:
    with pytest.raises(AttributeError):
        ALL[0].expect = "none"  # type: ignore[misc] # that is the point


def test_a_sample_knows_whether_it_must_become_a_lead() -> None:
    def sample(expect: str) -> Sample:
        return Sample("website", "json", "ada", expect, "", {})  # type: ignore[arg-type] # any of the five words

    assert sample("none").is_lead
    assert not sample("spam").is_lead
