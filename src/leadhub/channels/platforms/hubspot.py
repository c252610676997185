"""`hubspot`: what a workflow posts of a contact after a form. Signed with the app's client secret, version 3.

The body is the contact with its properties, each a text or {"value": …}. Events of CRM subscriptions name contacts by
number only and are acknowledged without a lead.

Source: developers.hubspot.com, "Validating requests": method, address as configured, body and time; five minutes.
"""

from collections.abc import Iterator
from typing import Annotated

from pydantic import StringConstraints

from leadhub.channels.digging import dig, each, members, moment, text, texts
from leadhub.channels.platform import Platform, PlatformOptions, Sent, Told
from leadhub.channels.protocol import Guide, SecretFrom
from leadhub.channels.signatures import Clock, Mac, Part, Written

_PROPERTIES = {
    "jobtitle": "job_title",
    "mobilephone": "phone",
    "numberofemployees": "employees",
    "hs_language": "language",
    "numemployees": "employees",
}


_OWN = frozenset({"vid", "objectId", "id", "portalId", "form-submissions", "objectType", "objectTypeId"})
"""Of a contact whose properties stand beside what HubSpot says of it."""


class HubSpotOptions(PlatformOptions):
    """Options of a `hubspot` source."""

    webhook_url: Annotated[str, StringConstraints(pattern="^https?://[!-~]+$", max_length=2000)]
    """The address exactly as it was entered there: it is a part of what is signed."""


def read(sent: Sent) -> Iterator[Told]:
    """Read one contact."""
    contact = members(sent.document)
    contact_id = text(contact, "vid") or text(contact, "objectId") or text(contact, "id")
    form = next(each(contact, "form-submissions"), {})
    conversion = text(form, "conversion-id")
    told = Told(
        key=f"{contact_id} {conversion}" if conversion else "",
        external_id=contact_id,
        submitted_at=moment(form, "timestamp"),
        attributes={"lead_id": conversion, "form_id": text(form, "form-id"), "form_name": text(form, "title")},
        attribution={"form_id": text(form, "form-id")},
    )
    properties = members(contact, "properties") or {name: contact[name] for name in contact if name not in _OWN}
    for name, value in properties.items():
        held = dig(value, "value") if isinstance(value, dict) else value
        told.answer(_PROPERTIES.get(name, name), *texts(held))
    yield told


PLATFORM = Platform(
    name="hubspot",
    proof=Mac(
        header="x-hubspot-signature-v3",
        signed=(Part.METHOD, Part.URL, Part.BODY, Part.TIME),
        written=Written.BASE64,
        time_header="x-hubspot-request-timestamp",
        clock=Clock.MILLISECONDS,
    ),
    read=read,
    options=HubSpotOptions,
    guide=Guide(
        "HubSpot forms (by workflow)",
        SecretFrom.PLATFORM,
        (
            "In HubSpot make a workflow that starts on the form's submission, with the action `Send a webhook`",
            "Method POST, webhook URL {url}, `Include request signature in header` with your app",
            "Copy the app's client secret from its `Auth` page and tell the source: `leadhub sources secret KEY`",
        ),
    ),
)
