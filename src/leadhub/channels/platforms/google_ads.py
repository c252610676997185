"""`google-ads`: lead form assets. The key travels in the body; Google asks nothing before the first lead.

Source: developers.google.com/google-ads/webhook/docs/implementation. `lead_id` is unique across forms, and the answer
should be 200 with a small JSON body.
"""

from collections.abc import Iterator

from leadhub.channels.digging import each, moment, text
from leadhub.channels.platform import Platform, Sent, Told
from leadhub.channels.protocol import Guide, SecretFrom
from leadhub.channels.signatures import InBody

_COLUMNS = {"given_name": "first_name", "family_name": "last_name", "work_phone": "phone", "work_email": "email"}
_ADS = {
    "gclid": "gcl_id",
    "campaign_id": "campaign_id",
    "adgroup_id": "adgroup_id",
    "creative_id": "creative_id",
    "asset_group_id": "asset_group_id",
    "form_id": "form_id",
}
"""Our parameter → Google's."""


def read(sent: Sent) -> Iterator[Told]:
    """Read one lead."""
    document = sent.document
    lead_id = text(document, "lead_id")
    told = Told(
        key=lead_id,
        submitted_at=moment(document, "lead_submit_time"),
        is_test=text(document, "is_test").lower() == "true",
        attributes={
            "lead_id": lead_id,
            "form_id": text(document, "form_id"),
            "lead_stage": text(document, "lead_stage"),
        },
        attribution={ours: text(document, theirs) for ours, theirs in _ADS.items()},
    )
    for column in each(document, "user_column_data"):
        name = text(column, "column_id")
        told.answer(_COLUMNS.get(name.lower(), name) or text(column, "column_name"), text(column, "string_value"))
    yield told


PLATFORM = Platform(
    name="google-ads",
    proof=InBody(name="google_key"),
    read=read,
    keeps_nobody=True,
    activity="lead_form_submitted",
    hidden=("google_key",),
    answer=b"{}",
    guide=Guide(
        "Google Ads lead forms",
        SecretFrom.LEADHUB,
        (
            "In Google Ads open the lead form asset, `Export leads from Google Ads` > `Other data integration options`",
            "Webhook URL: {url}",
            "Key: {secret}",
            "Press `Send test data`: the lead arrives marked as a test",
        ),
    ),
)
