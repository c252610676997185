"""`meta`: lead ads of Facebook and Instagram. A notification only names the lead, which is then fetched.

Source: developers.facebook.com, "Webhooks for leadgen" and "Retrieving leads"; the names of fields as in
facebook/facebook-business-sdk-codegen (Lead, UserLeadGenFieldData). Up to 1,000 changes come at once. There is no sign
of a test lead but its placeholder texts.
"""

import re
from collections.abc import Iterator

from leadhub.channels.digging import each, moment, text, texts
from leadhub.channels.handshakes import MetaOptions, meta
from leadhub.channels.platform import Platform, Sent, Told
from leadhub.channels.protocol import Guide, Notice, SecretFrom
from leadhub.channels.signatures import Mac

_LEAD = re.compile(r"[0-9]{1,40}")
_ADS = ("ad_id", "ad_name", "adset_id", "adset_name", "campaign_id", "campaign_name", "form_id", "page_id")
_PLACEHOLDER = "<test lead: dummy data for"
_TESTERS = ("test@meta.com", "test@fb.com")


def announced(sent: Sent) -> Iterator[Notice]:
    """Read every new lead of a notification."""
    if text(sent.document, "object") != "page":
        return
    seen: set[str] = set()
    for entry in each(sent.document, "entry"):
        for change in each(entry, "changes"):
            lead_id = text(change, "value", "leadgen_id")
            if text(change, "field") == "leadgen" and _LEAD.fullmatch(lead_id) and lead_id not in seen:
                seen.add(lead_id)
                yield Notice(lead_id)


def read(sent: Sent) -> Iterator[Told]:
    """Read a fetched lead."""
    lead = sent.document
    lead_id = text(lead, "id")
    answers = {text(one, "name"): texts(one, "values") for one in each(lead, "field_data")}
    values = [value.lower() for found in answers.values() for value in found]
    for box in each(lead, "custom_disclaimer_responses"):  # what a box means, the source's option `consents` says
        answers[text(box, "checkbox_key")] = texts(box, "is_checked")
    yield Told(
        answers={name: found for name, found in answers.items() if name and found},
        key=lead_id,
        submitted_at=moment(lead, "created_time"),
        is_test=any(value.startswith(_PLACEHOLDER) or value in _TESTERS for value in values),
        attributes={"lead_id": lead_id, "form_id": text(lead, "form_id"), "platform": text(lead, "platform")},
        attribution={name: text(lead, name) for name in (*_ADS, "platform", "is_organic")},
    )


PLATFORM = Platform(
    name="meta",
    proof=Mac(header="x-hub-signature-256", prefix="sha256="),
    read=read,
    announced=announced,
    activity="lead_form_submitted",
    options=MetaOptions,
    handshake=meta,
    guide=Guide(
        "Meta lead ads (Facebook, Instagram)",
        SecretFrom.PLATFORM,
        (
            "Copy your Meta app's secret (`App settings` > `Basic`) and tell the source: `leadhub sources secret KEY`",
            "In the app open `Webhooks` > Page; callback URL: {url}; verify token: {verify_token}; field: leadgen",
            "Install the app on the Page, or nothing comes: POST /{page id}/subscribed_apps?subscribed_fields=leadgen",
            "Give the source a system user's or long-lived Page token that may read leads: `leadhub sources token KEY`",
            "Try it with the Lead Ads Testing Tool; if Leads Access Manager is in use, list the app there as a CRM",
        ),
    ),
)
