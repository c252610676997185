from datetime import timedelta

from tests.support.sales import Sales, a_floor, a_monday

from leadhub.pipeline.promises import keep_promises
from leadhub.resources import Resources

BREACH = [
    {"at": "100%", "do": "reassign", "notify": ["owner", "manager"]},
    {"at": "200%", "do": "escalate", "to": "manager"},
]
OFFICE = {"office": {"timezone": "Europe/Berlin", "days": {"mon-fri": ["09:00-17:00"]}}}


async def test_a_promise_is_remembered_then_the_lead_handed_on_then_escalated_each_once(resources: Resources) -> None:
    sales = Sales(resources, a_floor("ann", "bob", promise={"breach": BREACH}, team={"manager": "max"}))
    begun = sales.now
    await sales.asked("eva")

    owners = []
    for minute in (3, 4, 4, 5, 5, 7, 10, 11):
        sales.now = begun + timedelta(minutes=minute)
        await sales.look_after()
        owners.append((await sales.lead("eva"))["owner"])

    assert owners == ["ann", "ann", "ann", "bob", "bob", "bob", "max", "max"]
    [warning] = [event["data"] for event in await sales.told("lead.sla.warning")]
    breaches = [event["data"] for event in await sales.told("lead.sla.breached")]
    assert (warning["share"], warning["action"], warning["owner"], warning["notify"]) == (80, "warn", "ann", ["ann"])
    assert [(one["share"], one["action"], one["owner_before"], one["owner"]) for one in breaches] == [
        (100, "reassign", "ann", "bob"),
        (200, "escalate", "bob", "max"),
    ]
    assert breaches[0]["notify"] == ["ann", "max"]
    routed = [event["data"]["routing"]["owner"] for event in await sales.told("lead.routed")]
    assert routed == ["ann", "bob", "max"]
    [clock] = await sales.rows("SELECT * FROM response_clock")
    assert (clock["breached_at"], clock["next_at"]) == (begun + timedelta(minutes=5), None)
    numbers = [row["sequence"] for row in await sales.rows("SELECT sequence FROM event ORDER BY sequence")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert await sales.load() == {"ann": 0, "bob": 0, "max": 1}


async def test_only_open_hours_count_and_the_weekend_does_not(resources: Resources) -> None:
    floor = a_floor("ann", "bob", calendars=OFFICE, promise={"calendar": "office", "breach": BREACH})
    friday = a_monday(15, 58) + timedelta(days=4)  # two minutes before closing in Berlin
    sales = Sales(resources, floor, now=friday)
    await sales.asked("eva")
    [clock] = await sales.rows("SELECT * FROM response_clock")
    monday = a_monday(8, 3) + timedelta(days=7)

    sales.now = monday - timedelta(minutes=2)
    await sales.look_after()
    early = await sales.told("lead.sla.warning", "lead.sla.breached")
    sales.now = monday
    await sales.look_after()

    assert clock["due_at"] == monday
    assert early == []
    assert await sales.owners("eva") == ["bob"]


async def test_whoever_was_away_catches_up_without_an_old_reminder(resources: Resources) -> None:
    sales = Sales(resources, a_floor("ann", "bob", promise={"breach": BREACH}, team={"manager": "max"}))
    await sales.asked("eva")

    sales.later(hours=5)
    await sales.look_after()

    assert [event["type"] for event in await sales.told("lead.sla.warning", "lead.sla.breached")] == [
        "lead.sla.breached",
        "lead.sla.breached",
    ]
    assert await sales.owners("eva") == ["max"]


async def test_a_clock_that_goes_back_does_nothing_twice(resources: Resources) -> None:
    sales = Sales(resources, a_floor("ann", "bob", promise={"breach": BREACH[:1]}))
    await sales.asked("eva")

    sales.later(minutes=6)
    await sales.look_after()
    sales.later(minutes=-6)
    await sales.look_after()
    sales.later(minutes=6)
    await sales.look_after()

    assert len(await sales.told("lead.sla.breached")) == 1


async def test_a_promise_that_was_made_stays_when_another_document_is_published(resources: Resources) -> None:
    sales = Sales(resources, a_floor("ann", "bob", promise={"breach": BREACH[:1]}))
    await sales.asked("eva")

    sales.playbook = a_floor("ann", "bob", version=2, sla={}, routing={"rules": [{"id": "rest", "to": "nurture"}]})
    sales.later(minutes=5)
    await sales.look_after()

    assert await sales.owners("eva") == ["bob"]


async def test_without_anybody_else_the_lead_stays_and_that_is_told(resources: Resources) -> None:
    sales = Sales(resources, a_floor("ann", {"user": "bob", "active": False}, promise={"breach": BREACH[:1]}))
    await sales.asked("eva")

    sales.later(minutes=5)
    await sales.look_after()

    [breach] = await sales.told("lead.sla.breached")
    assert breach["data"]["owner"] == "ann"
    assert breach["data"]["because"].endswith("nobody else can take it")
    assert len(await sales.rows("SELECT * FROM assignment")) == 1


async def test_a_lead_that_cannot_be_read_holds_up_nobody_else(resources: Resources) -> None:
    sales = Sales(resources, a_floor("ann", "bob", promise={"breach": BREACH[:1]}))
    await sales.asked("eva", "fay")
    broken = (await sales.lead("eva"))["id"]
    await sales.run("""UPDATE lead SET golden = golden || '{"city": 7}' WHERE id = :id""", id=broken)

    sales.later(minutes=5)
    await sales.look_after()

    assert await sales.owners("fay") == ["ann"]
    [put_off] = await sales.rows("SELECT next_at FROM response_clock WHERE lead_id = :id", id=broken)
    assert put_off["next_at"] == sales.now + timedelta(minutes=5)


async def test_a_lead_that_sales_loses_has_no_promise_any_more(resources: Resources) -> None:
    sales = Sales(resources, a_floor("ann"))
    await sales.asked("eva")
    await sales.say("eva", "rejected", reason="bad_data")

    sales.later(hours=1)

    assert await keep_promises(sales.work, sales.playbook) == 0
    [clock] = await sales.rows("SELECT stop_reason, next_at, open_seconds FROM response_clock")
    assert clock == {"stop_reason": "left sales", "next_at": None, "open_seconds": None}
