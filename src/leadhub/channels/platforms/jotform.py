"""`jotform`: a multipart post whose `rawRequest` holds the answers as JSON. Jotform signs nothing.

The keys are `q3_name`, `q4_email`: number of the question and its unique name; a compound question is an object.
"""

import re
from collections.abc import Iterator

from leadhub.channels.decoding import decode_json_object
from leadhub.channels.digging import texts
from leadhub.channels.platform import Body, Platform, Sent, Told
from leadhub.channels.protocol import Guide, SecretFrom
from leadhub.channels.signatures import Shared

_QUESTION = re.compile(r"q[0-9]{1,6}_(.+)")
_PARTS = {
    "first": "first_name", "last": "last_name", "full": "phone", "area": "", "addr_line1": "street", "city": "city",
    "state": "region", "postal": "postal_code", "country": "country",
}  # fmt: skip
"""Part of a compound question → field; `full` is a telephone's, and the parts of a name and an address."""


def read(sent: Sent) -> Iterator[Told]:
    """Read one submission."""
    form = sent.flat()
    submission, form_id = _one(form, "submissionID"), _one(form, "formID")
    told = Told(
        key=submission,
        attributes={"lead_id": submission, "form_id": form_id, "form_name": _one(form, "formTitle")},
        attribution={"form_id": form_id},
    )
    raw = _one(form, "rawRequest")
    for name, value in (decode_json_object(raw.encode()) if raw else {}).items():
        found = _QUESTION.fullmatch(name)
        if found is None:
            continue
        if isinstance(value, dict):
            for part, each in value.items():
                told.answer(_PARTS.get(part, f"{found[1]}.{part}"), *texts(each))
        else:
            told.answer(found[1], *texts(value))
    yield told


def _one(form: dict[str, list[str]], name: str) -> str:
    return next(iter(form.get(name, ())), "").strip()


PLATFORM = Platform(
    name="jotform",
    proof=Shared(is_required=False),
    read=read,
    keeps_nobody=True,
    body=Body.FORM,
    guide=Guide(
        "Jotform",
        SecretFrom.NOBODY,
        (
            "In Jotform open the form, `Settings` > `Integrations` > `WebHooks`",
            "Add {url} and press `Complete Integration`",
            "Jotform cannot sign: the address itself is the secret, keep it to yourself",
        ),
    ),
)
