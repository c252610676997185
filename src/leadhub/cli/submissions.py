"""`leadhub submissions`: what came, and what could not be processed."""

from typing import Literal

from cyclopts import App

from leadhub.cli.console import Columns, note, show
from leadhub.cli.database import an_id, now, use
from leadhub.cli.errors import UserError
from leadhub.cli.options import Flag, Json
from leadhub.domain.ids import SubmissionId
from leadhub.pipeline.releasing import release
from leadhub.resources import Resources
from leadhub.store import pending
from leadhub.store.reading import submissions as reading
from leadhub.store.reading.submissions import SubmissionFilter, SubmissionRow, SubmissionState

app = App(name="submissions")

_COLUMNS: Columns = {
    "id": lambda row: row.id,
    "received": lambda row: row.received_at,
    "source": lambda row: row.source,
    "state": lambda row: row.state,
    "lead": lambda row: row.lead_id,
    "how": lambda row: row.rule,
}
_FAILED: Columns = {
    "id": lambda row: row.id,
    "received": lambda row: row.received_at,
    "source": lambda row: row.source,
    "tries": lambda row: row.attempts,
    "failed": lambda row: row.failed_at,
    "error": lambda row: row.error,
}
_SPAM: Columns = {
    "id": lambda row: row.id,
    "received": lambda row: row.received_at,
    "source": lambda row: row.source,
    "because": lambda row: ", ".join(row.doubts or ()),
}


@app.command(name="list")
def list_(
    *, state: Literal["pending", "processed", "failed", "spam"] | None = None, limit: int = 50, as_json: Json = False
) -> None:
    """List submissions, newest first.

    Args:
        state: Only those in this state.
        limit: At most so many.
        as_json: Print JSON.
    """
    show(_read(state, limit), _COLUMNS, empty="No such submissions.", as_json=as_json)


@app.command
def failed(*, limit: int = 50, as_json: Json = False) -> None:
    """List submissions that were put aside after their last try, each with its error.

    Args:
        limit: At most so many.
        as_json: Print JSON.
    """
    show(_read("failed", limit), _FAILED, empty="None has failed.", as_json=as_json)


@app.command
def spam(*, limit: int = 50, as_json: Json = False) -> None:
    """List submissions that are kept apart: a trap was filled in, or nobody proved to be a person. Gone after 14 days.

    Args:
        limit: At most so many.
        as_json: Print JSON.
    """
    show(_read("spam", limit), _SPAM, empty="None is kept apart.", as_json=as_json)


@app.command(name="release")
def release_(id_: str, /) -> None:
    """Let a submission that was kept apart as spam go the way of any other.

    Args:
        id_: The submission's id; `leadhub submissions spam` lists them.
    """
    submission_id = SubmissionId(an_id(id_, "submissions"))

    async def work(resources: Resources) -> None:
        await release(resources.sessions, submission_id, now=now())
        resources.submissions_nudge()

    use(work)
    note(f"Released: {id_} is processed like any other.")


@app.command
def replay(id_: str | None = None, /, *, all_: Flag = False) -> None:
    """Process failed submissions again, after what was wrong has been put right.

    Args:
        id_: One submission's id.
        all_: All that failed.
    """
    if (id_ is None) != all_:
        raise UserError("Which ones?", "Name one submission's id, or say --all.")
    submission_id = None if id_ is None else SubmissionId(an_id(id_, "submissions"))

    async def work(resources: Resources) -> int:
        async with resources.sessions.begin() as session:
            replayed = await pending.replay(session, now=now(), submission_id=submission_id)
        resources.submissions_nudge()
        return replayed

    count = use(work)
    if not count and id_ is not None:
        raise UserError(f"The submission {id_} is not among the failed.", "`leadhub submissions failed` lists them.")
    note(f"{count} queued again." if count else "None has failed.")


def _read(state: str | None, limit: int) -> list[SubmissionRow]:
    which = SubmissionFilter(state=SubmissionState(state) if state else None)

    async def work(resources: Resources) -> list[SubmissionRow]:
        async with resources.sessions() as session:
            return await reading.list_submissions(session, which, limit=limit)

    return use(work)
