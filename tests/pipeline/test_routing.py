import asyncio
from collections import Counter
from datetime import timedelta

import pytest
from tests.support.counting import statements
from tests.support.sales import Sales, a_floor, a_monday, types_of

from leadhub.pipeline.playbook import ActivePlaybook
from leadhub.pipeline.queueing import drain_queues, look_after_sales, recount_loads, release_strangers
from leadhub.resources import Resources


async def test_a_decision_is_kept_with_its_reason_and_what_it_beat(resources: Resources) -> None:
    sales = Sales(resources, a_floor({"user": "ann", "active": False}, {"user": "bob", "capacity": 1}, "cid"))
    await sales.asked("eva", "fay")

    rows = await sales.rows("SELECT * FROM assignment ORDER BY id")
    [_, routed] = await sales.told("lead.routed")
    assert [row["owner"] for row in rows] == ["bob", "cid"]
    assert rows[1]["because"] == (
        "hand_raise: 1 demo_requested in 14d, last " + f"{sales.now:%Y-%m-%d}; round robin, turn 3 of 3"
    )
    assert rows[1]["beat"] == [
        ["ann", "not active"],
        ["bob", "1 of 1 open leads"],
        ["rule:rest", "stands below"],
    ]
    assert routed["data"]["routing"]["owner_because"] == "round robin, turn 3 of 3"
    assert [one["name"] for one in routed["data"]["routing"]["beat"]] == ["ann", "bob"]
    assert routed["data"]["acceptance"] == "pending"
    assert await sales.load() == {"ann": 0, "bob": 1, "cid": 1}


async def test_whoever_nobody_can_take_waits_in_a_named_queue_and_nobody_overtakes(resources: Resources) -> None:
    sales = Sales(resources, a_floor({"user": "ann", "capacity": 1}))
    await sales.asked("eva")
    for one in ("fay", "gus", "hal"):
        sales.later(seconds=1)
        await sales.asked(one)
    waiting = await sales.rows("SELECT queue, because FROM assignment WHERE owner IS NULL ORDER BY routed_at")

    await sales.say("eva", "won")
    sales.later(seconds=1)
    await sales.asked("ida")  # somebody is free, but others came before
    assert await sales.owners("fay", "ida") == [None, None]
    assert await drain_queues(sales.work, sales.playbook) == 1

    assert [row["queue"] for row in waiting] == ["triage"] * 3
    assert waiting[0]["because"].endswith("nobody can take it: ann 1 of 1 open leads")
    assert waiting[1]["because"].endswith("waits in triage behind others")
    assert await sales.owners("fay", "gus", "hal", "ida") == ["ann", None, None, None]
    told = await sales.told("lead.routed")
    assert [event["data"]["routing"]["queue"] for event in told] == [None, "triage", "triage", "triage", "triage", None]
    assert await drain_queues(sales.work, sales.playbook) == 0
    assert await sales.load() == {"ann": 1}


async def test_more_capacity_drains_the_queue_oldest_first(resources: Resources) -> None:
    sales = Sales(resources, a_floor({"user": "ann", "capacity": 1}))
    for one in ("eva", "fay", "gus", "hal"):
        sales.later(seconds=1)
        await sales.asked(one)

    sales.playbook = a_floor({"user": "ann", "capacity": 3}, version=2)
    await sales.look_after()

    assert await sales.owners("eva", "fay", "gus", "hal") == ["ann", "ann", "ann", None]
    rows = await sales.rows("SELECT owner, release_reason, routed_at FROM assignment ORDER BY routed_at, id")
    assert [row["release_reason"] for row in rows] == [None, "somebody is free", None, "somebody is free", None, None]
    assert rows[1]["routed_at"] == rows[2]["routed_at"]


async def test_the_newest_first_where_the_document_says_so(resources: Resources) -> None:
    queue = {"no_capacity": {"queue": "triage", "drain": "newest_first"}}
    sales = Sales(resources, a_floor({"user": "ann", "capacity": 1}, routing=queue))
    for one in ("eva", "fay", "gus"):
        sales.later(seconds=1)
        await sales.asked(one)

    await sales.say("eva", "lost")
    await sales.look_after()

    assert await sales.owners("fay", "gus") == [None, "ann"]


OFFICE = {"office": {"timezone": "Europe/Berlin", "days": {"mon-fri": ["09:00-17:00"]}}}


async def test_at_night_leads_wait_for_the_shift_to_begin(resources: Resources) -> None:
    floor = a_floor("ann", team={"calendar": "office"}, calendars=OFFICE, promise={"calendar": "office"})
    sales = Sales(resources, floor, now=a_monday(20))
    await sales.asked("eva")
    [waiting] = await sales.rows("SELECT * FROM assignment")

    await sales.look_after()
    assert await sales.owners("eva") == [None]
    sales.now = a_monday(8) + timedelta(days=1)  # nine o'clock in Berlin
    await sales.look_after()

    assert await sales.owners("eva") == ["ann"]
    assert waiting["because"].endswith(f"ann off until {sales.now:%Y-%m-%d %H:%M} UTC")
    # The promise is the lead's: it runs from nine, whoever has the lead.
    assert waiting["due_at"] == sales.now + timedelta(minutes=5)
    [clock] = await sales.rows("SELECT * FROM response_clock")
    assert (clock["due_at"], clock["stopped_at"]) == (waiting["due_at"], None)


async def test_a_rate_is_kept_over_batches(resources: Resources) -> None:
    sales = Sales(resources, a_floor({"user": "ann", "rate": {"leads": 2, "per": "1h"}}))
    await sales.asked("eva")
    sales.later(minutes=30)
    await sales.asked("fay", "gus")
    assert await sales.owners("eva", "fay", "gus") == ["ann", "ann", None]

    sales.later(minutes=31)
    await sales.look_after()

    assert await sales.owners("gus") == ["ann"]


async def test_a_lead_that_comes_back_keeps_its_owner_until_that_is_too_long_ago(resources: Resources) -> None:
    sticky = {"sticky_owner": {"respect": True, "while": ["owner_active"], "release_after": "60d"}}
    sales = Sales(resources, a_floor("ann", {"user": "bob", "capacity": 1}, "cid", routing=sticky))
    await sales.asked("eva", "fay", "gus")
    await sales.say("fay", "rejected", reason="not_ready")
    await sales.say("gus", "rejected", reason="not_ready")
    sales.later(days=1)
    await sales.asked("fay")
    assert await sales.owners("fay") == ["bob"]

    await sales.say("fay", "rejected", reason="not_ready")
    sales.later(days=61)
    await sales.asked("fay", "gus")

    assert await sales.owners("fay", "gus") == ["ann", "bob"]
    rows = await sales.rows("SELECT because FROM assignment ORDER BY id")
    assert rows[3]["because"].endswith("; stays with bob, who had it")
    assert rows[4]["because"].endswith("; bob had it too long ago")
    await sales.load()


async def test_the_leads_of_a_company_stay_together_but_not_those_of_a_mail_provider(resources: Resources) -> None:
    sticky = {"sticky_account": {"except": ["partner.example"]}}
    sales = Sales(resources, a_floor("ann", "bob", "cid", routing=sticky))
    await sales.asked("eva", "fay", domain="acme.example")
    await sales.asked("gus", "hal", domain="gmail.com")
    await sales.asked("ida", "jan", domain="partner.example")
    await sales.asked("kim", domain="acme.example")

    assert await sales.owners("eva", "fay", "kim") == ["ann", "ann", "ann"]
    assert await sales.owners("gus", "hal", "ida", "jan") == ["bob", "cid", "ann", "bob"]
    [row] = await sales.rows("SELECT because FROM assignment ORDER BY id DESC LIMIT 1")
    assert row["because"].endswith("; ann has this company")
    sales.playbook = a_floor({"user": "ann", "capacity": 4}, "bob", "cid", routing=sticky)
    await sales.asked("lea", domain="acme.example")
    assert await sales.owners("lea") == ["cid"]


async def test_whoever_left_the_document_gives_all_leads_back(resources: Resources) -> None:
    sales = Sales(resources, a_floor("ann", "bob"))
    await sales.asked("eva", "fay", "gus", "hal")
    assert await sales.load() == {"ann": 2, "bob": 2}

    sales.playbook = a_floor("ann", {"user": "cid", "capacity": 1}, version=2)
    assert await release_strangers(sales.work, sales.playbook) == 2
    queued = await sales.rows("SELECT because FROM assignment WHERE owner IS NULL AND released_at IS NULL")
    await drain_queues(sales.work, sales.playbook)

    assert [row["because"] for row in queued] == ["bob is not in floor@2"] * 2
    assert await sales.load() == {"ann": 3, "bob": 0, "cid": 1}
    assert await release_strangers(sales.work, sales.playbook) == 0


async def test_leads_of_a_team_that_is_gone_go_where_the_document_says_now(resources: Resources) -> None:
    sales = Sales(resources, a_floor({"user": "ann", "capacity": 1}))
    await sales.asked("eva", "fay")
    rules = [
        {"id": "asked", "when": {"signal": "hand_raise"}, "to": {"team": "world"}},
        {"id": "rest", "to": "nurture"},
    ]

    sales.playbook = a_floor(version=2, teams={"world": {"members": [{"user": "zoe"}]}}, routing={"rules": rules})
    await sales.look_after()

    assert await sales.owners("eva", "fay") == ["zoe", "zoe"]
    assert await sales.load() == {"ann": 0, "zoe": 2}


async def test_a_batch_of_any_size_costs_the_same_statements(resources: Resources) -> None:
    sticky = {"sticky_account": {"except": ["partner.example"]}}
    sales = Sales(resources, a_floor("ann", "bob", "cid", routing=sticky))
    await sales.asked("eva")  # prepares what is made once
    counts = []
    for size in (2, 12):
        people = [f"p{size}x{number}" for number in range(size)]
        async with statements(resources.engine) as sent:
            await sales.asked(*people)
        counts.append(len(sent))

    assert counts[0] == counts[1] > 0


async def test_counters_that_somebody_left_wrong_are_put_right(resources: Resources) -> None:
    sales = Sales(resources, a_floor("ann", "bob"))
    await sales.asked("eva")
    await sales.run("UPDATE owner_load SET open_leads = 7")

    await recount_loads(sales.work)

    assert await sales.load() == {"ann": 1, "bob": 0}


async def test_merging_two_leads_of_sales_frees_one_owner(resources: Resources) -> None:
    sales = Sales(resources, a_floor("ann", "bob"))
    await sales.asked("eva")
    await sales.did("demo_requested", "fay", email="", phone="+34612345678", first_name="Eva")
    assert await sales.load() == {"ann": 1, "bob": 1}

    await sales.did("", "eva", phone="+34612345678")

    assert await sales.load() == {"ann": 1, "bob": 0}
    clocks = await sales.rows("SELECT stop_reason FROM response_clock ORDER BY started_at, id")
    assert [row["stop_reason"] for row in clocks] == [None, "merged"]


@pytest.mark.parametrize(("leads", "people"), [pytest.param(200, 20), pytest.param(1000, 20, marks=pytest.mark.slow)])
async def test_four_workers_at_once_deal_leads_out_evenly(resources: Resources, leads: int, people: int) -> None:
    sales = Sales(resources, a_floor(*(f"u{number}" for number in range(people))), batch_rows=17)
    await sales.asked("first")
    begun = (await sales.rows("SELECT count(*) AS n FROM assignment"))[0]["n"]
    others = [Sales(resources, sales.playbook, batch_rows=17, source=sales.source) for _ in range(3)]
    share = leads // 4

    await asyncio.gather(
        *(one.asked(*(f"w{worker}n{number}" for number in range(share))) for worker, one in enumerate((sales, *others)))
    )

    dealt = Counter(
        row["owner"] for row in await sales.rows("SELECT owner FROM assignment ORDER BY id OFFSET :n", n=begun)
    )
    assert sum(dealt.values()) == leads
    assert max(dealt.values()) - min(dealt.values()) <= 1
    await sales.load()


async def test_four_workers_at_once_overfill_nobody(resources: Resources) -> None:
    people = [{"user": f"u{number}", "capacity": 3} for number in range(5)]
    sales = Sales(resources, a_floor(*people), batch_rows=5)
    await sales.asked("first")
    others = [Sales(resources, sales.playbook, batch_rows=5, source=sales.source) for _ in range(3)]

    await asyncio.gather(
        *(one.asked(*(f"w{worker}n{number}" for number in range(6))) for worker, one in enumerate((sales, *others)))
    )
    await asyncio.gather(*(drain_queues(one.work, one.playbook) for one in (sales, *others)))

    assert await sales.load() == {f"u{number}": 3 for number in range(5)}
    [waiting] = await sales.rows("SELECT count(*) AS n FROM assignment WHERE owner IS NULL AND released_at IS NULL")
    assert waiting["n"] == 10


async def test_the_schedule_does_all_of_it_with_the_playbook_of_the_database(resources: Resources) -> None:
    sales = Sales(resources, a_floor("zoe"))
    await sales.asked("eva")
    active = ActivePlaybook(resources.sessions)

    await look_after_sales(sales.work, active)

    # The guide decides in this database, and does not know zoe.
    assert await sales.owners("eva") == ["dora"]
    assert types_of(await sales.told("lead.routed"))[-1] == "lead.routed"
