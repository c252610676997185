"""A person answers what matching was not sure of: the same person, or not.

Nothing waited for the answer: the submission became a lead of its own at once. `same` merges that lead with the one in
question, as a merge by hand does; `not_same` is remembered, and no path joins the two afterwards. Leads that were
declared two people stay two: there, `same` moves the submission alone (an un-merge asks whose it is).
"""

from typing import Literal

from leadhub.domain.errors import Conflict, NotFound
from leadhub.domain.ids import SubmissionId
from leadhub.domain.scoring import CompiledPlaybook
from leadhub.pipeline.merging import Wish, merge_leads, move_submission
from leadhub.pipeline.process import Processing
from leadhub.store import driver, merges, reviews
from leadhub.store.reviews import Review

Answer = Literal["same", "not_same"]


async def answer(
    work: Processing, playbook: CompiledPlaybook, submission_id: SubmissionId, said: Answer, *, actor: str
) -> None:
    """Answer a question; the same answer again changes nothing.

    Raises:
        NotFound: there is no such question.
        Conflict: it was answered otherwise, or the leads were declared different people, or are one by now.
    """
    review = await _open(work, submission_id, said)
    if review.answer is None and said == "same" and review.lead_id != review.candidate_id:
        # This stands in a transaction of its own: repeated after a crash in between, it finds nothing left to do.
        if review.are_apart:
            because = "a person answered whose it is"
            await move_submission(work, playbook, submission_id, to=review.candidate_id, because=because)
        else:
            because = "a person answered that both are the same"
            winner, loser = sorted((review.lead_id, review.candidate_id))
            await merge_leads(work, playbook, Wish(winner=winner, loser=loser, because=because, actor=actor))
    await _note(work, submission_id, said, actor=actor)


async def _open(work: Processing, submission_id: SubmissionId, said: Answer) -> Review:
    async with driver.transaction(work.engine) as connection:
        review = await reviews.find(connection, submission_id)
    if review is None:
        raise NotFound("There is no such review.")
    if review.answer not in {None, said}:
        raise Conflict("This was answered otherwise; merge the leads, or undo the merge.")
    if said == "not_same" and review.answer is None and review.lead_id == review.candidate_id:
        raise Conflict("These are one lead by now; undo the merge.")
    return review


async def _note(work: Processing, submission_id: SubmissionId, said: Answer, *, actor: str) -> None:
    now = work.clock()
    async with driver.transaction(work.engine) as connection:
        review = await reviews.find(connection, submission_id)
        if review is None or review.answer is not None:
            return
        if said == "not_same":
            pair = (review.submission_id, review.anchor)
            because = "a person answered that these are two people"
            await merges.declare_not_same(connection, [pair], because=because, actor=actor, now=now)
        await reviews.note_answer(connection, submission_id, said, actor=actor, now=now)
