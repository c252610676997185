"""Let what was kept apart as spam go the way of any other submission."""

from datetime import datetime

from leadhub.domain.errors import Conflict
from leadhub.domain.ids import SubmissionId
from leadhub.store import spam
from leadhub.store.engine import Sessions
from leadhub.store.reading import submissions
from leadhub.store.reading.submissions import SubmissionDetail

_REACHES = ("email", "phone")


async def release(sessions: Sessions, submission_id: SubmissionId, *, now: datetime) -> SubmissionDetail:
    """Queue a submission that is kept apart; return it as it is then.

    Raises:
        NotFound: there is no such submission.
        Conflict: it is not kept apart, or it names nobody: robots' forms are kept however little they say.
    """
    async with sessions.begin() as session:
        found = await submissions.get_submission(session, submission_id)
        if not any(found.content.get("fields", {}).get(name) for name in _REACHES):
            raise Conflict("It has neither an e-mail address nor a phone number: there is nobody to make a lead of.")
        if not await spam.release(session, submission_id, now=now):
            raise Conflict("Only what is kept apart as spam can be released.")
        return await submissions.get_submission(session, submission_id)
