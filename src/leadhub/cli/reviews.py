"""`leadhub reviews`: what matching was not sure of, side by side, and a person's answer."""

from cyclopts import App

from leadhub.cli.console import Columns, clean, note, say, show, show_json
from leadhub.cli.database import an_id, now, use
from leadhub.cli.options import Flag, Json
from leadhub.domain.ids import SubmissionId
from leadhub.pipeline import reviewing
from leadhub.pipeline.playbook import ActivePlaybook
from leadhub.pipeline.process import Processing
from leadhub.resources import Ids, Resources, clock
from leadhub.store.reading import reviews as reading
from leadhub.store.reading.reviews import ReviewRow, Side

app = App(name="reviews")

_ACTOR = "command line"
_COLUMNS: Columns = {
    "id": lambda row: row.id,
    "bits": lambda row: f"{row.bits:+g}",
    "lead": lambda row: row.lead_id,
    "perhaps also": lambda row: row.candidate_id,
    "asked": lambda row: row.asked_at,
    "answer": lambda row: row.answer,
}


@app.command(name="list")
def list_(*, answered: Flag = False, limit: int = 50, as_json: Json = False) -> None:
    """List reviews, the most likely first.

    Args:
        answered: Those that were answered instead of those that are open.
        limit: At most so many.
        as_json: Print JSON.
    """

    async def work(resources: Resources) -> list[ReviewRow]:
        async with resources.sessions() as session:
            return await reading.list_reviews(session, is_open=not answered, limit=limit)

    show(use(work), _COLUMNS, empty="No such reviews.", as_json=as_json)


@app.command(name="show")
def show_(id_: str, /, *, as_json: Json = False) -> None:
    """Show both leads side by side, and what speaks for one person, in bits.

    Args:
        id_: The review's id.
        as_json: Print JSON.
    """
    review_id = an_id(id_, "reviews")

    async def work(resources: Resources) -> tuple[ReviewRow, list[Side]]:
        async with resources.sessions() as session:
            return await reading.get_review(session, review_id)

    row, sides = use(work)
    if as_json:
        show_json({"review": _plain(row), "leads": [_plain(side) for side in sides]})
        return
    _print_sides(sides)
    for line in row.match["lines"]:
        say(f"  {line['bits']:+5g}  {clean(line['compares']):<12} {clean(line['because'])}")
    say(f"  {row.match['start']:+5g}  to begin with: one lead among all")
    say(f"= {row.bits:+5g}  {clean(row.match['objection'] or row.match['proof'] or 'no hard agreement')}")


@app.command
def same(id_: str, /) -> None:
    """Answer that both are the same person: the leads are merged.

    Args:
        id_: The review's id.
    """
    _answer(id_, "same")
    note("Merged. Take it back with `leadhub leads unmerge`, see `leadhub leads merges`.")


@app.command
def not_same(id_: str, /) -> None:
    """Answer that these are two people: nothing joins them from now on.

    Args:
        id_: The review's id.
    """
    _answer(id_, "not_same")
    note("Noted: they stay two leads.")


def _answer(id_: str, said: reviewing.Answer) -> None:
    review_id = SubmissionId(an_id(id_, "reviews"))

    async def work(resources: Resources) -> None:
        playbook = await ActivePlaybook(resources.sessions).current(now=now())
        public_url = resources.settings.public_url.rstrip("/")
        processing = Processing(resources.engine, new_id=Ids(), clock=clock, public_url=public_url)
        await reviewing.answer(processing, playbook, review_id, said, actor=_ACTOR)
        resources.deliveries_nudge()

    use(work)


def _print_sides(sides: list[Side]) -> None:
    names = dict.fromkeys(name for side in sides for name in side.golden)
    say("  ".join(f"{'':<16}" if side is None else f"{side.id!s:<36}" for side in (None, *sides)))
    for name in names:
        values = [clean(side.golden.get(name, {}).get("value")) for side in sides]
        say(f"{clean(name):<16}  " + "  ".join(f"{value:<36}" for value in values))


def _plain(row: ReviewRow | Side) -> dict[str, object]:
    return {name: getattr(row, name) for name in row.__slots__}
