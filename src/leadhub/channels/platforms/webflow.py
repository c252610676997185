"""`webflow`: form submissions of a site. Hooks made by the API or an app are signed, those of the dashboard are not.

Source: Webflow's v2 webhooks: hex HMAC over `{timestamp in ms}:{body}`, keyed with the hook's secret or the app's
client secret; ±5 minutes; three tries, ten minutes apart.
"""

from collections.abc import Iterator

from leadhub.channels.digging import members, moment, text, texts
from leadhub.channels.platform import Platform, Sent, Told
from leadhub.channels.protocol import Guide, SecretFrom
from leadhub.channels.signatures import Clock, Mac, OneOf, Part, Shared


def read(sent: Sent) -> Iterator[Told]:
    """Read one submission."""
    if text(sent.document, "triggerType") != "form_submission":
        return
    payload = members(sent.document, "payload")
    lead_id, name = text(payload, "id"), text(payload, "name")
    told = Told(
        key=lead_id,
        submitted_at=moment(payload, "submittedAt"),
        attributes={"lead_id": lead_id, "form_id": text(payload, "formId"), "form_name": name},
        attribution={"form_id": text(payload, "formId"), "form_name": name},
    )
    for label, value in members(payload, "data").items():
        told.answer(label, *texts(value))
    yield told


PLATFORM = Platform(
    name="webflow",
    proof=OneOf(
        (
            Mac(
                header="x-webflow-signature",
                signed=(Part.TIME, b":", Part.BODY),
                time_header="x-webflow-timestamp",
                clock=Clock.MILLISECONDS,
            ),
            Shared(is_required=False),
        )
    ),
    read=read,
    keeps_nobody=True,
    guide=Guide(
        "Webflow forms",
        SecretFrom.PLATFORM,
        (
            "In Webflow open `Site settings` > `Apps & integrations` > `Webhooks` > `Add webhook`",
            "Trigger type: Form submission, API version 2; URL: {url}",
            (
                "A hook of the dashboard is not signed: its address is the secret. For a hook made through the API "
                "tell the source its secret key with `leadhub sources secret KEY`: unsigned posts are then refused"
            ),
        ),
    ),
)
