"""`elementor`: Elementor Pro's form action `Webhook`: plain labels, or with `Advanced data` each field's type."""

import re
from collections.abc import Iterator

from leadhub.channels.attribution import bare_url
from leadhub.channels.decoding import FormFields
from leadhub.channels.platform import Body, Platform, Sent, Told
from leadhub.channels.protocol import Guide, SecretFrom
from leadhub.channels.signatures import Shared
from leadhub.domain.submission import Evidence

_PART = re.compile(r"(fields|meta)\[([^\]]{1,200})\]\[(id|type|title|value)\]")
_DOTTED = re.compile(r"(fields|meta)\.(.{1,200})\.(id|type|title|value)")
_TYPES = {"email": "email", "tel": "phone", "textarea": "message"}
_FORM = {"form[id]", "form[name]", "form_id", "form_name", "form.id", "form.name"}
_META = {"Date", "Time", "Page URL", "User Agent", "Remote IP", "Powered by", "No Label"}
"""Labels of what Elementor adds to a flat post."""


def read(sent: Sent) -> Iterator[Told]:
    """Read one form."""
    form = sent.flat()
    parts: dict[tuple[str, str], dict[str, list[str]]] = {}
    for name, values in form.items():
        if found := _PART.fullmatch(name) or _DOTTED.fullmatch(name):
            parts.setdefault((found[1], found[2]), {})[found[3]] = values
    form_id = _first(form, "form[id]", "form_id", "form.id")
    form_name = _first(form, "form[name]", "form_name", "form.name")
    page = _first(form, "Page URL") or parts.get(("meta", "page_url"), {}).get("value", [""])[0]
    told = Told(
        attributes={"form_id": form_id, "form_name": form_name},
        attribution={"form_id": form_id, "form_name": form_name},
        evidence=Evidence(page_url=bare_url(page)),
    )
    for (kind, field_id), field in parts.items():
        if kind == "fields":
            title = next(iter(field.get("title", ())), "") or field_id
            named = _TYPES.get(next(iter(field.get("type", ())), ""), title)
            told.answer(named if named not in told.answers else title, *field.get("value", ()))
    for name, values in form.items():
        if not (_PART.fullmatch(name) or _DOTTED.fullmatch(name) or name in _FORM or name in _META):
            told.answer(name, *values)
    yield told


def _first(form: FormFields, *names: str) -> str:
    return next((values[0].strip() for name in names if (values := form.get(name))), "")


PLATFORM = Platform(
    name="elementor",
    proof=Shared(is_required=False),
    read=read,
    keeps_nobody=True,
    body=Body.FORM,
    guide=Guide(
        "Elementor forms",
        SecretFrom.NOBODY,
        (
            "In Elementor open the form, `Actions After Submit`, add `Webhook`",
            "Webhook URL: {url}; `Advanced data`: yes",
            "Nothing is signed: the address itself is the secret, keep it to yourself",
        ),
    ),
)
