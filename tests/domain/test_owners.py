def a_team(strategy: str, **members: dict[str, Any]) -> Team:
    return Team.model_validate(
        {"strategy": strategy, "members": [{"user": user, **details} for user, details in members.items()]}
    )


def deal(team: Team, number: int, *, cursor: int = 0, open_leads: dict[str, int] | None = None) -> list[str | None]:
    """Return the owners of so many leads, one after the other; open leads grow as they are dealt."""
    owners = []
    for _ in range(number):
        choice = choose_owner(team, cursor=cursor, open_leads=open_leads)
        cursor = choice.cursor
        owners.append(choice.owner)
        if choice.owner and open_leads is not None:
            open_leads[choice.owner] = open_leads.get(choice.owner, 0) + 1
    return owners


# Owners.


def test_round_robin_takes_turns() -> None:
    assert deal(a_team("round_robin", dora={}, emil={}, fritz={}), 4) == ["dora", "emil", "fritz", "dora"]


def test_round_robin_passes_over_who_is_away() -> None:
    team = a_team("round_robin", ann={}, bob={"active": False}, cid={})

    assert deal(team, 4) == ["ann", "cid", "ann", "cid"]
    assert choose_owner(team, cursor=1).because == "round robin, turn 3 of 3, 1 passed over"


def test_capacity_is_respected_when_open_leads_are_given() -> None:
    team = a_team("round_robin", ann={"capacity": 2}, bob={"capacity": 1})

    assert deal(team, 4, open_leads={}) == ["ann", "bob", "ann", None]
    assert deal(team, 4) == ["ann", "bob", "ann", "bob"]


def test_nobody_at_all_says_why_and_keeps_the_turn() -> None:
    team = a_team("round_robin", ann={"capacity": 2}, bob={"capacity": 1})

    choice = choose_owner(team, cursor=1, open_leads={"ann": 2, "bob": 3})

    assert (choice.owner, choice.cursor) == (None, 1)
    assert choice.because == "everybody is at capacity: ann 2/2, bob 3/1"
    away = Team.model_construct(strategy="round_robin", members=(Member(user="cid", active=False),))
    assert choose_owner(away, cursor=0).because == "nobody is active"


def test_weighted_turns_are_spread_evenly() -> None:
    team = a_team("weighted_round_robin", a={"weight": 5}, b={"weight": 1}, c={"weight": 1})

    assert "".join(map(str, deal(team, 7))) == "aabacaa"


def test_weighted_turns_leave_out_who_is_away() -> None:
    team = the_guide().teams["na"]

    assert deal(team, 6) == ["ann", "bob", "ann", "ann", "bob", "ann"]


def test_least_loaded_looks_at_open_leads_for_the_weight() -> None:
    team = a_team("least_loaded", ann={"weight": 2}, bob={}, cid={"capacity": 1})

    assert choose_owner(team, cursor=0, open_leads={"ann": 3, "bob": 2, "cid": 1}).owner == "ann"
    assert choose_owner(team, cursor=0, open_leads={"ann": 5, "bob": 2}).owner == "cid"
    assert choose_owner(team, cursor=0, open_leads={"ann": 5, "bob": 2, "cid": 1}).owner == "bob"


def test_least_loaded_takes_turns_among_equals() -> None:
    assert deal(a_team("least_loaded", fay={}, gus={}), 4, open_leads={}) == ["fay", "gus", "fay", "gus"]
    assert deal(a_team("least_loaded", fay={}, gus={}), 3) == ["fay", "gus", "fay"]


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

    choice = choose_owner(team, cursor=cursor, open_leads=open_leads)

    assert choice.owner in able if able else choice.owner is None
    assert choice.because
    assert choice == choose_owner(team, cursor=cursor, open_leads=open_leads)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(0, 50))
def test_a_full_weighted_round_gives_everybody_their_weight(weights: list[int], cursor: int) -> None:
    team = a_team("weighted_round_robin", **{f"u{index}": {"weight": weight} for index, weight in enumerate(weights)})

    counts = Counter(deal(team, sum(weights), cursor=cursor))

    assert counts == {f"u{index}": weight for index, weight in enumerate(weights)}
