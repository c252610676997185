"""Have a form's captcha verified before the form is taken, and decide what becomes of one that did not prove itself."""

from collections.abc import Awaitable, Sequence
from typing import Protocol, assert_never

from leadhub import telemetry
from leadhub.channels.pointers import pointer
from leadhub.channels.protocol import Capture, Connection
from leadhub.domain.captcha import Challenge, Failed, Otherwise, Passed, Unreachable, Verdict
from leadhub.domain.errors import FieldError, InvalidInput, Unavailable
from leadhub.store import spam
from leadhub.store.engine import Sessions


class Verifies(Protocol):
    """Asks a captcha's provider."""

    def verify(self, challenge: Challenge, secrets: Sequence[bytes], *, client_ip: str | None) -> Awaitable[Verdict]:
        """Return what it says of a token; never raises for what it does."""


async def challenge(
    sessions: Sessions,
    verifier: Verifies,
    connection: Connection,
    unpacked: Capture,
    asked: Challenge,
    *,
    client_ip: str | None,
) -> Capture:
    """Return a form as its captcha allows: as it is, in doubt, or without its submission and with what is wrong.

    A repeat of what is stored is not verified again: its token is used up, and it changes nothing.

    Raises:
        InvalidInput: the captcha was not solved, and the source refuses such forms.
        Unavailable: nobody can say, and the source refuses such forms.
    """
    [one] = unpacked.submissions
    async with sessions() as session:
        if one.dedupe_key is not None and await spam.is_known(session, connection.source_id, one.dedupe_key):
            return unpacked
    verdict = await verifier.verify(asked, connection.secrets, client_ip=client_ip)
    telemetry.CAPTCHAS.labels(type(verdict).__name__.lower()).inc()
    match verdict:
        case Passed():
            return unpacked
        case Failed():
            if asked.failed is Otherwise.REFUSE:
                return _refused(asked)
        case Unreachable():
            if asked.unreachable is Otherwise.REFUSE:
                raise Unavailable("The captcha cannot be verified right now. Send the form again.")
        case _:
            assert_never(verdict)
    return unpacked._replace(submissions=(one.in_doubt(verdict.because),))


def _refused(asked: Challenge) -> Capture:
    wrong = FieldError(pointer(asked.field), "The captcha was not solved, or has expired. Please solve it again.")
    if not asked.wants_page:
        raise InvalidInput(wrong.detail, [wrong])
    return Capture((), {"errors": (wrong,)})
