"""`gravity-forms`: the Webhooks add-on: a whole entry under numbers of fields, or pairs that its owner chose.

`1.3` and `1.6` are first and last name of a name field. Other numbers say nothing: a value that looks like an e-mail
address is one, and the source's `field_map` says the rest, as in {"4": "company"}.
"""

import re
from collections.abc import Iterator

from leadhub.channels.attribution import bare_url
from leadhub.channels.digging import moment
from leadhub.channels.platform import Body, Platform, Sent, Told
from leadhub.channels.protocol import Guide, SecretFrom
from leadhub.channels.signatures import Shared
from leadhub.domain.submission import Evidence

_NUMBER = re.compile(r"[0-9]{1,6}(?:\.([0-9]{1,3}))?")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,253}")
_NAMES = {"3": "first_name", "6": "last_name"}
_OWN = frozenset(
    {
        *("id", "form_id", "form_title", "post_id", "date_created", "date_updated", "is_starred", "is_read", "ip"),
        *("source_url", "user_agent", "currency", "payment_status", "payment_date", "payment_amount", "status"),
        *("payment_method", "transaction_id", "is_fulfilled", "created_by", "transaction_type", "source_id"),
    }
)
"""The entry's own names, no answers."""


def read(sent: Sent) -> Iterator[Told]:
    """Read one entry."""
    form = {name: values for name, values in sent.flat().items() if any(value.strip() for value in values)}
    entry, form_id, agent = (form.get(name, [""])[0] for name in ("id", "form_id", "user_agent"))
    told = Told(
        key=f"{form_id} {entry}" if entry and form_id else "",
        submitted_at=moment(form.get("date_created", [""])[0]),
        attributes={"lead_id": entry, "form_id": form_id},
        attribution={"form_id": form_id},
        evidence=Evidence(user_agent=agent[:1_000] or None, page_url=bare_url(form.get("source_url", [""])[0])),
    )
    mapped = {name.strip().lower() for name in sent.options.field_map}
    for name, values in form.items():
        if name in _OWN and name not in mapped:
            continue
        number = _NUMBER.fullmatch(name)
        if number is None or name in mapped:
            told.answer(name, *values)
        elif number[1] in _NAMES:
            told.answer(_NAMES[number[1]], *values)
        elif "email" not in told.answers and _EMAIL.fullmatch(values[0].strip()):
            told.answer("email", *values)
        else:
            told.answer(f"field {name}", *values)
    yield told


PLATFORM = Platform(
    name="gravity-forms",
    proof=Shared(),
    read=read,
    keeps_nobody=True,
    body=Body.FORM,
    guide=Guide(
        "Gravity Forms",
        SecretFrom.LEADHUB,
        (
            "In WordPress open the form, `Settings` > `Webhooks` > `Add New` (add-on `Webhooks`)",
            "Request URL: {url}; method POST; format JSON; body: all fields, or fields with names of your own",
            "Request headers: X-LeadHub-Secret with the custom value {secret}",
        ),
    ),
)
