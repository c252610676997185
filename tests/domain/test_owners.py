from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.views import document

from leadhub.domain.owners import Load, OwnerChoice, choose_owner, keeps
from leadhub.domain.playbook import Playbook
from leadhub.domain.playbook_loading import load
from leadhub.domain.playbook_people import Member, StickyOwner, Team
from leadhub.domain.shifts import Shifts

NOW = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)  # a Thursday


def a_team(strategy: str, **members: dict[str, Any]) -> Team:
    return Team.model_validate(
        {"strategy": strategy, "members": [{"user": user, **details} for user, details in members.items()]}
    )


def with_open(**open_leads: int) -> dict[str, Load]:
    return {user: Load(number) for user, number in open_leads.items()}


def choose(team: Team, *, cursor: int = 0, **open_leads: int) -> OwnerChoice:
    return choose_owner(team, cursor=cursor, loads=with_open(**open_leads), now=NOW)


def deal(team: Team, number: int, *, cursor: int = 0, loads: dict[str, Load] | None = None) -> list[str | None]:
    """Return the owners of so many leads, one after the other; open leads grow as they are dealt."""
    owners, loads = [], {} if loads is None else loads
    rates = {member.user: member.rate for member in team.members}
    for _ in range(number):
        choice = choose_owner(team, cursor=cursor, loads=loads, now=NOW)
        cursor = choice.cursor
        owners.append(choice.owner)
        if choice.owner:
            loads.setdefault(choice.owner, Load()).take(rates[choice.owner], now=NOW)
            loads[choice.owner].credit -= choice.uses_credit
    return owners


def test_round_robin_takes_turns() -> None:
    assert deal(a_team("round_robin", dora={}, emil={}, fritz={}), 4) == ["dora", "emil", "fritz", "dora"]


def test_round_robin_passes_over_who_is_away_and_says_so() -> None:
    team = a_team("round_robin", ann={}, bob={"active": False}, cid={})

    choice = choose(team, cursor=1)

    assert deal(team, 4) == ["ann", "cid", "ann", "cid"]
    assert choice.because == "round robin, turn 3 of 3, 1 passed over"
    assert choice.beat == [("bob", "not active"), ("ann", "has the next turn")]


def test_capacity_is_respected() -> None:
    team = a_team("round_robin", ann={"capacity": 2}, bob={"capacity": 1})

    assert deal(team, 4) == ["ann", "bob", "ann", None]


def test_nobody_at_all_says_why_and_keeps_the_turn() -> None:
    team = a_team("round_robin", ann={"capacity": 2}, bob={"capacity": 1})

    choice = choose(team, cursor=1, ann=2, bob=3)

    assert (choice.owner, choice.cursor) == (None, 1)
    assert choice.because == "nobody can take it: ann 2 of 2 open leads, bob 3 of 1 open leads"
    away = Team.model_construct(strategy="round_robin", members=(Member(user="cid", active=False),))
    assert choose(away).because == "nobody can take it: cid not active"


def test_a_rate_counts_back_from_each_moment() -> None:
    team = a_team("round_robin", ann={"rate": {"leads": 2, "per": "1h"}})
    taken = [NOW - timedelta(minutes=61), NOW - timedelta(minutes=59)]

    def at(now: datetime, *recent: datetime) -> str | None:
        return choose_owner(team, cursor=0, loads={"ann": Load(9, list(recent))}, now=now).owner

    assert at(NOW, *taken) == "ann"
    assert at(NOW, taken[1], NOW) is None
    assert at(NOW + timedelta(minutes=1), taken[1], NOW) == "ann"
    assert deal(team, 3) == ["ann", "ann", None]


def test_a_load_remembers_as_many_hand_overs_as_its_rate_counts() -> None:
    rate = a_team("round_robin", ann={"rate": {"leads": 2, "per": "1h"}}).members[0].rate
    one = Load()
    for minute in range(4):
        one.take(rate, now=NOW + timedelta(minutes=minute))

    assert (one.open_leads, one.recent) == (4, [NOW + timedelta(minutes=2), NOW + timedelta(minutes=3)])
    one.give_back(owed=True)
    assert (one.open_leads, one.recent, one.credit) == (3, [NOW + timedelta(minutes=2)], 1)


def test_who_got_a_lead_that_was_none_has_the_next_turn_beside_the_round() -> None:
    team = a_team("round_robin", ann={}, bob={}, cid={})
    loads = {"cid": Load(1, [], 1)}

    assert deal(team, 4, loads=loads) == ["cid", "ann", "bob", "cid"]
    assert loads["cid"].credit == 0


def test_weighted_turns_are_spread_evenly() -> None:
    team = a_team("weighted_round_robin", a={"weight": 5}, b={"weight": 1}, c={"weight": 1})

    assert "".join(map(str, deal(team, 7))) == "aabacaa"


def test_weighted_turns_leave_out_who_is_away() -> None:
    uncapped: dict[str, Any] = {"ann": {"weight": 2}, "bob": {}, "cid": {"active": False}}

    assert deal(a_team("weighted_round_robin", **uncapped), 6) == ["ann", "bob", "ann", "ann", "bob", "ann"]


def test_least_loaded_looks_at_open_leads_for_the_weight() -> None:
    team = a_team("least_loaded", ann={"weight": 2}, bob={}, cid={"capacity": 1})

    assert choose(team, ann=3, bob=2, cid=1).owner == "ann"
    assert choose(team, ann=5, bob=2).owner == "cid"
    assert choose(team, ann=5, bob=2, cid=1).owner == "bob"
    assert choose(team, ann=5, bob=2, cid=1).beat == [("cid", "1 of 1 open leads"), ("ann", "5 open leads")]


def test_least_loaded_takes_turns_among_equals() -> None:
    assert deal(a_team("least_loaded", fay={}, gus={}), 4) == ["fay", "gus", "fay", "gus"]


def test_whoever_must_not_get_it_is_passed_over() -> None:
    team = a_team("round_robin", ann={}, bob={})

    choice = choose_owner(team, cursor=0, loads={}, now=NOW, not_to={"ann": "had it already"})

    assert (choice.owner, choice.beat) == ("bob", [("ann", "had it already")])


STRATEGIES = st.sampled_from(["round_robin", "weighted_round_robin", "least_loaded"])
MEMBERS = st.lists(
    st.fixed_dictionaries(
        {"weight": st.integers(1, 4), "active": st.booleans(), "capacity": st.none() | st.integers(1, 5)}
    ),
    min_size=1,
    max_size=6,
).filter(lambda members: any(member["active"] for member in members))


@given(st.integers(1, 7), st.integers(0, 60), st.integers(0, 6))
def test_round_robin_stays_within_one_of_even(size: int, number: int, cursor: int) -> None:
    team = a_team("round_robin", **{f"user{index}": {} for index in range(size)})

    counts = Counter(deal(team, number, cursor=cursor))

    assert max(counts.values(), default=0) - min((counts[member.user] for member in team.members), default=0) <= 1


@given(
    STRATEGIES, MEMBERS, st.integers(0, 10_000), st.dictionaries(st.sampled_from(["u0", "u1", "u2"]), st.integers(0, 6))
)
def test_the_owner_is_active_and_has_room(
    strategy: str, members: list[dict[str, Any]], cursor: int, open_leads: dict[str, int]
) -> None:
    team = a_team(strategy, **{f"u{index}": member for index, member in enumerate(members)})
    able = {
        member.user
        for member in team.members
        if member.active and (member.capacity is None or open_leads.get(member.user, 0) < member.capacity)
    }

    choice = choose(team, cursor=cursor, **open_leads)

    assert choice.owner in able if able else choice.owner is None
    assert choice.because
    assert choice.owner not in dict(choice.beat)
    assert choice == choose(team, cursor=cursor, **open_leads)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 50))
def test_a_full_weighted_round_gives_everybody_their_weight(weights: list[int], cursor: int) -> None:
    team = a_team("weighted_round_robin", **{f"u{index}": {"weight": weight} for index, weight in enumerate(weights)})

    counts = Counter(deal(team, sum(weights), cursor=cursor))

    assert counts == {f"u{index}": weight for index, weight in enumerate(weights)}


STICKY = StickyOwner.model_validate({"while": ["owner_active"]})
STRICT = StickyOwner.model_validate({"while": ["owner_active", "under_capacity", "at_work"]})


@pytest.mark.parametrize(
    ("owner", "sticky", "open_leads", "absent", "against"),
    [
        ("ann", STICKY, 5, {}, None),
        ("ann", STICKY, 5, {"ann": "off until 2026-01-16 08:00 UTC"}, None),
        ("ann", STICKY, 0, {"ann": "away until 2026-01-20"}, "is away until 2026-01-20"),
        ("ann", STRICT, 0, {"ann": "off until 2026-01-16 08:00 UTC"}, "is off until 2026-01-16 08:00 UTC"),
        ("ann", STRICT, 5, {}, "has 5 of 5 open leads"),
        ("bob", STICKY, 0, {}, "is not active"),
        ("dan", STICKY, 0, {}, "is not in this team"),
    ],
)
def test_an_owner_keeps_a_lead_that_comes_back(
    owner: str, sticky: StickyOwner, open_leads: int, absent: dict[str, str], against: str | None
) -> None:
    team = a_team("round_robin", ann={"capacity": 5}, bob={"active": False})

    assert keeps(team, owner, sticky, Load(open_leads), now=NOW, absent=absent) == against


# Who is at work.


def a_floor(**team: Any) -> tuple[Playbook, Team]:
    calendars = {
        "office": {"timezone": "Europe/Berlin", "days": {"mon-fri": ["09:00-17:00"]}, "holidays": ["2026-01-06"]},
        "early": {"timezone": "Europe/Berlin", "days": {"mon-sun": ["06:00-10:00"]}},
    }
    playbook = load(document(calendars=calendars, teams={"emea": {"members": [{"user": "dora"}]} | team}))
    return playbook, playbook.teams["emea"]


@pytest.mark.parametrize(
    ("member", "now", "absence"),
    [
        ({}, "2026-01-15T09:00+01:00", None),
        ({}, "2026-01-15T08:59+01:00", "off until 2026-01-15 08:00 UTC"),
        ({}, "2026-01-15T17:00+01:00", "off until 2026-01-16 08:00 UTC"),
        ({}, "2026-01-16T17:00+01:00", "off until 2026-01-19 08:00 UTC"),  # a Friday
        ({}, "2026-01-06T12:00+01:00", "off until 2026-01-07 08:00 UTC"),  # a holiday
        ({}, "2026-03-27T17:00+01:00", "off until 2026-03-30 07:00 UTC"),  # the clocks change in between
        ({"timezone": "America/New_York"}, "2026-01-15T09:00+01:00", "off until 2026-01-15 14:00 UTC"),
        ({"calendar": "early"}, "2026-01-15T08:00+01:00", None),
        ({"calendar": "early"}, "2026-01-15T12:00+01:00", "off until 2026-01-16 05:00 UTC"),
        ({"away": [{"from": "2026-01-12", "until": "2026-01-15"}]}, "2026-01-15T12:00+01:00", "away until 2026-01-15"),
        ({"away": [{"from": "2026-01-12", "until": "2026-01-14"}]}, "2026-01-15T12:00+01:00", None),
    ],
)
def test_who_is_at_work(member: dict[str, Any], now: str, absence: str | None) -> None:
    playbook, team = a_floor(calendar="office", members=[{"user": "dora"} | member])

    absent = Shifts(playbook).absent(team, now=datetime.fromisoformat(now))

    assert absent == ({"dora": absence} if absence else {})


def test_without_a_calendar_somebody_works_at_every_hour() -> None:
    playbook, team = a_floor()

    assert Shifts(playbook).absent(team, now=datetime(2026, 1, 18, 3, tzinfo=UTC)) == {}


@given(st.lists(st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)), max_size=8))  # noqa: DTZ001  # zone follows
def test_what_is_remembered_of_a_shift_changes_no_answer(moments: list[datetime]) -> None:
    playbook, team = a_floor(calendar="office")
    remembering = Shifts(playbook)

    for now in moments:
        assert remembering.absent(team, now=now) == Shifts(playbook).absent(team, now=now)


def test_an_absence_ends_after_it_begins_and_a_zone_needs_hours() -> None:
    with pytest.raises(Exception, match="the last day is before the first"):
        a_floor(members=[{"user": "dora", "away": [{"from": "2026-01-12", "until": "2026-01-11"}]}])
    with pytest.raises(Exception, match="there is no calendar"):
        a_floor(members=[{"user": "dora", "timezone": "Europe/Berlin"}])
