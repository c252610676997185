"""Contact points out of what somebody wrote in a chat: they fill what is empty, and are marked as derived."""

import re

from leadhub.channels.platform import Told
from leadhub.domain.fields import canonical_name

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}(?![\w-])")
_PHONE = re.compile(r"(?<![\w+])\+?[0-9][0-9 ().\-/]{7,18}[0-9](?!\w)")
_LONGEST = 2_000
"""Characters that are searched; who leaves an address writes it early."""


def mine(told: Told, message: str) -> None:
    """Take an e-mail address and a telephone number out of a message, where the platform knows none."""
    message = message[:_LONGEST]
    known = {canonical_name(name) for name in told.answers}
    for name, pattern in (("email", _EMAIL), ("phone", _PHONE)):
        if name not in known and (found := pattern.search(message)) is not None:
            told.answer(name, found[0])
            told.attributes["derived"] = ", ".join(filter(None, (told.attributes.get("derived"), name)))
