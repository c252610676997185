"""`meta`: lead ads of Facebook and Instagram. A notification only names the lead, which is then fetched.

Source: developers.facebook.com, "Webhooks for leadgen" and "Retrieving leads"; the names of fields as in
facebook/facebook-business-sdk-codegen (Lead, UserLeadGenFieldData). Up to 1,000 changes come at once. There is no sign
of a test lead but its placeholder texts.
"""

import re
from collections.abc import Iterator

from leadhub.channels.answers.names import Use
from leadhub.channels.digging import each, members, moment, text, texts
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
    """Read a fetched lead. The fetch brings along what its form asks, as far as that could be had."""
    lead = sent.document
    lead_id, form = text(lead, "id"), members(lead, "form")
    questions = {text(one, "key"): one for one in each(form, "questions")}
    told = Told(
        key=lead_id,
        submitted_at=moment(lead, "created_time"),
        attributes={
            "lead_id": lead_id,
            "form_id": text(lead, "form_id"),
            "form_name": text(form, "name"),
            "platform": text(lead, "platform"),
        },
        attribution={name: text(lead, name) for name in (*_ADS, "platform", "is_organic")}
        | {"form_name": text(form, "name")},
        wordings={text(box, "key"): words for box in each(form, "checkboxes") if (words := text(box, "text")[:4_000])},
    )
    for one in each(lead, "field_data"):
        question = questions.get(text(one, "name"), {})
        values = texts(one, "values")
        told.is_test |= any(value.lower().startswith(_PLACEHOLDER) or value.lower() in _TESTERS for value in values)
        told.answer(_name(text(one, "name"), text(question, "label"), sent), *_readable(values, question))
    for box in each(lead, "custom_disclaimer_responses"):  # what a box means, the source's option `consents` says
        told.answer(text(box, "checkbox_key"), text(box, "is_checked"))
    yield told


def _name(key: str, label: str, sent: Sent) -> str:
    """Return the name of an answer: the form's own key, unless only the question says what is meant."""
    names = sent.options.names
    if label and names.place(key).use is Use.CUSTOM and names.place(label).use is not Use.CUSTOM:
        return label
    return key


def _readable(values: list[str], question: dict[str, object]) -> list[str]:
    """Return the texts of the options that were chosen, as the form shows them."""
    options = {text(one, "key"): text(one, "value") for one in each(question, "options")}
    return [options.get(value) or value for value in values]


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
            "Name the Page, so that leads whose notice is lost are found, too: `leadhub sources set KEY page_id=…`",
            "Try it with the Lead Ads Testing Tool; if Leads Access Manager is in use, list the app there as a CRM",
        ),
    ),
)
