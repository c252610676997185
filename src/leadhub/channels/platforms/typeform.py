"""`typeform`: answers come by type, their questions beside them.

Source: Typeform's webhooks reference, as its signature is documented: `sha256=` and the base64 HMAC of the body.
"""

from collections.abc import Iterator

from leadhub.channels.digging import each, members, moment, text, texts
from leadhub.channels.platform import Platform, Sent, Told
from leadhub.channels.protocol import Guide, SecretFrom
from leadhub.channels.signatures import Mac, Written

_TYPES = {"email": "email", "phone_number": "phone"}
"""Type of an answer → what it is, whatever its question says."""
_CHOICES = frozenset({"choice", "choices"})


def read(sent: Sent) -> Iterator[Told]:
    """Read one response."""
    response = members(sent.document, "form_response")
    if text(sent.document, "event_type") != "form_response":
        return
    form_id, token = text(response, "form_id"), text(response, "token")
    told = Told(
        key=token,
        submitted_at=moment(response, "submitted_at"),
        attributes={"lead_id": token, "form_id": form_id, "form_name": text(response, "definition", "title")},
        attribution={"form_id": form_id},
    )
    titles = {text(field, "id"): text(field, "title") for field in each(response, "definition", "fields")}
    for answer in each(response, "answers"):
        kind, field = text(answer, "type"), text(answer, "field", "id")
        title = titles.get(field) or text(answer, "field", "ref") or field
        told.answer(_TYPES.get(kind, title), *(_chosen(answer, kind) if kind in _CHOICES else texts(answer, kind)))
    for name, value in members(response, "hidden").items():
        told.answer(name, *texts(value))
    yield told


def _chosen(answer: dict[str, object], kind: str) -> list[str]:
    return [*texts(answer, kind, "label"), *texts(answer, kind, "labels"), *texts(answer, kind, "other")]


PLATFORM = Platform(
    name="typeform",
    proof=Mac(header="typeform-signature", prefix="sha256=", written=Written.BASE64),
    read=read,
    keeps_nobody=True,
    guide=Guide(
        "Typeform",
        SecretFrom.LEADHUB,
        (
            "In Typeform open the form, `Connect` > `Webhooks` > `Add a webhook`",
            "Endpoint: {url}",
            "Switch it on, then `Edit` > Secret: {secret}",
            "`View deliveries` > `Send test request`; hidden fields named utm_source and so on become attribution",
        ),
    ),
)
