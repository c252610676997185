"""The tests that a playbook carries: given this lead, expect that. A playbook that fails its own is not published."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from leadhub.domain import documents
from leadhub.domain.errors import InvalidDocument
from leadhub.domain.ids import LeadId
from leadhub.domain.model import ConsentState, Evaluation, Fact, LeadView
from leadhub.domain.playbook import Example, Expect, Given, Playbook
from leadhub.domain.playbook_followup import Nurture
from leadhub.domain.playbook_loading import Reading, read
from leadhub.domain.playbook_values import resolve_field
from leadhub.domain.scoring import CompiledPlaybook, compile_playbook, route_words

NOW: Final = datetime(2025, 3, 10, 10, tzinfo=UTC)
"""When every test takes place: tests must not pass or fail with the day."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One expectation that was not met."""

    test: str
    """The test's name."""
    detail: str
    """For people: "total is 45, expected 50"."""


def examine(text: str) -> Reading:
    """Return the playbook that a text holds, after its own tests have passed: what publishing asks of a document.

    Raises:
        InvalidDocument: it does not hold, or fails tests of its own; `errors` are all findings.
    """
    reading = read(text)
    failures = run_document_tests(reading.playbook)
    if failures:
        places = {one.name: index for index, one in enumerate(reading.playbook.tests)}
        document = documents.read(text)
        paths: list[documents.Path] = [("tests", places[failure.test], "expect") for failure in failures]
        errors = [
            documents.finding(document.position(path), path, f"the test '{failure.test}' fails: {failure.detail}")
            for path, failure in zip(paths, failures, strict=True)
        ]
        found = "one test fails" if len(errors) == 1 else f"tests fail in {len(errors)} points"
        raise InvalidDocument(f"{found}, the first in {errors[0].detail}", errors)
    return reading


def run_document_tests(playbook: Playbook) -> list[Failure]:
    """Run every test of a playbook and return what failed, in the document's order."""
    if not playbook.tests:
        return []
    compiled = compile_playbook(playbook)
    return [Failure(example.name, detail) for example in playbook.tests for detail in _differences(compiled, example)]


def _differences(compiled: CompiledPlaybook, example: Example) -> Iterator[str]:
    evaluation = compiled.evaluate(given_lead(example.given, compiled.playbook.nurture), now=NOW)
    for name, actual, expected in _compared(evaluation, example.expect):
        if expected is not None and actual != expected:
            yield f"{name} is {actual}, expected {expected}"


def _compared(evaluation: Evaluation, expect: Expect) -> Iterator[tuple[str, object, object]]:
    """Yield what a test may demand: its name, what it is, and what it should be."""
    yield "total", evaluation.total, expect.total
    for group, points in expect.scores.items():
        yield group, evaluation.groups.get(group), points
    yield "temperature", evaluation.temperature, expect.temperature
    yield "stage", evaluation.stage, expect.stage
    yield "rule", evaluation.routing.rule, expect.rule
    yield "route", route_words(evaluation), expect.route
    yield "disqualified", evaluation.disqualified, expect.disqualified
    for framework, met in expect.frameworks.items():
        yield f"{framework} met", len(evaluation.frameworks[framework].met), met


def given_lead(given: Given, nurture: Nurture | None) -> LeadView:
    """Return the lead that a test describes, as it stands at `NOW`."""
    facts = tuple(
        Fact(one.event, one.attributes, one.count, at, at)
        for one in given.events
        for at in (NOW - (one.ago or timedelta(0)),)
    )
    required = nurture.requires if nurture and given.consent else None
    consents = (ConsentState(required.purpose, required.channel, granted=True, at=NOW),) if required else ()
    oldest = min((fact.first_at for fact in facts), default=NOW)
    return LeadView(
        lead_id=LeadId(UUID(int=0)),
        created_at=NOW - given.created if given.created else oldest,
        fields={resolve_field(name) or name: value for name, value in given.fields.items()},
        facts=facts,
        consents=consents,
        contactable=given.contactable,
        last_activity_at=max((fact.last_at for fact in facts), default=None),
    )
