"""A small sales floor: a playbook with people, leads that go to them, and a clock that a test turns."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from tests.support.views import document
from tests.support.waiting import a_source, content, received

from leadhub.domain.feedback import Said
from leadhub.domain.ids import LeadId
from leadhub.domain.playbook_loading import load
from leadhub.domain.scoring import CompiledPlaybook, compile_playbook
from leadhub.pipeline.feedback import say
from leadhub.pipeline.process import Outcome, Processing, process_due
from leadhub.pipeline.promises import keep_promises
from leadhub.pipeline.queueing import drain_queues, release_strangers
from leadhub.pipeline.saying import Sender
from leadhub.resources import Ids, Resources
from leadhub.store.feedback import StoredFeedback

Rows = Callable[..., Awaitable[list[dict[str, Any]]]]

HOLD = {
    "not_ready": {"track": "recycle", "hold": "30d", "reopen_when": {"signal": "hand_raise"}},
    "bad_fit": {"hold": "180d"},
    "bad_data": {"do": "disqualify"},
    "duplicate": {"do": "merge_review"},
}


def a_monday(hour: int = 9, minute: int = 0) -> datetime:
    """Return a time of a Monday in UTC that no test's real clock has reached, in a month without clock changes."""
    year = datetime.now(UTC).year + 1
    monday = next(day for day in range(6, 20) if datetime(year, 1, day, tzinfo=UTC).weekday() == 0)
    return datetime(year, 1, monday, hour, minute, tzinfo=UTC)


def a_floor(*members: str | dict[str, Any], version: int = 1, **changes: Any) -> CompiledPlaybook:
    """Return a playbook that sends whoever asks for a demo to one team, `emea`; everybody else to nurture."""
    people = [{"user": one} if isinstance(one, str) else one for one in members]
    routing = {
        "rules": [
            {"id": "dq", "when": {"disqualified": True}, "to": "none"},
            {"id": "asked", "when": {"signal": "hand_raise"}, "to": {"team": "emea"}, "sla": "hot"},
            {"id": "liked", "when": {"field": "sales_decision", "in": ["accepted"]}, "to": {"team": "emea"}},
            {"id": "rest", "to": "nurture"},
        ],
        "no_capacity": {"queue": "triage"},
    }
    sections: dict[str, Any] = {
        "metadata": {"name": "floor", "version": version},
        "signals": {"hand_raise": {"event": "demo_requested", "within": "14d"}},
        "stages": [
            {"stage": "DISQUALIFIED", "when": {"disqualified": True}},
            {
                "stage": "SQL",
                "when": {"any": [{"signal": "hand_raise"}, {"field": "sales_decision", "in": ["accepted"]}]},
            },
            {"stage": "LEAD"},
        ],
        "teams": {"emea": {"members": people} | changes.pop("team", {})},
        "sla": {"hot": {"first_contact": "5m"} | changes.pop("promise", {})},
        "routing": routing | changes.pop("routing", {}),
        "feedback": {
            "accept": {"sets": {"sales_decision": "accepted"}},
            "reject": {"reasons": HOLD},
            "lost": {"hold": "90d"},
        },
        "nurture": {
            "suppress_on": ["unsubscribed", "hard_bounce"],
            "tracks": [
                {"id": "recycle", "when": {"field": "sales_decision", "in": ["rejected_not_ready"]}},
                {"id": "awareness"},
            ],
        },
    }
    return compile_playbook(load(document(**(sections | changes))))


@dataclass(slots=True)
class Sales:
    """Leads and people on one database."""

    resources: Resources
    playbook: CompiledPlaybook
    now: datetime = field(default_factory=a_monday)
    batch_rows: int = 200
    source: UUID | None = None

    @property
    def work(self) -> Processing:
        return Processing(self.resources.engine, Ids(), lambda: self.now, batch_rows=self.batch_rows)

    def later(self, **by: float) -> None:
        self.now += timedelta(**by)

    async def asked(self, *people: str, domain: str = "", **fields: str) -> None:
        """Let people ask for a demo, one submission each, and process them."""
        await self.did("demo_requested", *people, domain=domain, **fields)

    async def did(self, activity: str | dict[str, Any], *people: str, domain: str = "", **fields: str) -> Outcome:
        if self.source is None:
            self.source = await a_source(self.resources.engine)
        stated = activity if isinstance(activity, dict) else {"type": activity}
        told = [
            content(
                {"email": f"{one}@{domain or one + '.example'}", "first_name": one} | fields,
                activities=[stated | {"occurred_at": self.now.isoformat()}] if activity else [],
            )
            for one in people
        ]
        # What somebody did is never later than its receipt.
        await received(self.resources.engine, self.source, *told, at=self.now)
        total = Outcome()
        while (outcome := await process_due(self.work, self.playbook)).claimed:
            total += outcome
        return total

    async def run(self, sql: str, **values: Any) -> None:
        async with self.resources.engine.begin() as connection:
            await connection.execute(text(sql), values)

    async def rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        async with self.resources.engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(text(sql), values)).mappings()]

    async def lead(self, person: str) -> dict[str, Any]:
        [row] = await self.rows(
            "SELECT * FROM lead WHERE golden->'first_name'->>'value' ILIKE :name AND merged_into IS NULL", name=person
        )
        return row

    async def owners(self, *people: str) -> list[str | None]:
        return [(await self.lead(one))["owner"] for one in people]

    async def load(self) -> dict[str, int]:
        """Return everybody's open leads, as counted; and that they are counted right."""
        counted = {row["owner"]: row["open_leads"] for row in await self.rows("SELECT * FROM owner_load")}
        real = await self.rows(
            "SELECT owner, count(*) AS n FROM assignment WHERE released_at IS NULL AND owner IS NOT NULL GROUP BY owner"
        )
        assert {owner: number for owner, number in counted.items() if number} == {x["owner"]: x["n"] for x in real}
        return counted

    async def told(self, *types: str) -> list[dict[str, Any]]:
        """Return the bodies of events of some types, oldest first."""
        rows = await self.rows("SELECT type, body FROM event ORDER BY id")
        return [orjson.loads(row["body"]) for row in rows if row["type"] in types]

    async def say(self, person: str, outcome: str, *, key: str | None = None, **said: Any) -> StoredFeedback:
        lead = await self.lead(person)
        word = Said.model_validate({"outcome": outcome} | said)
        return await say(self.work, self.playbook, LeadId(lead["id"]), word, sender=Sender(name="key:test", key=key))

    async def look_after(self) -> None:
        """Do what the worker's schedule does, with this test's playbook."""
        while await keep_promises(self.work, self.playbook):
            pass
        await release_strangers(self.work, self.playbook)
        await drain_queues(self.work, self.playbook)


def types_of(events: Sequence[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]
