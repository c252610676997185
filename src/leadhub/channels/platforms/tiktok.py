"""`tiktok`: lead generation. Its push is not described in public, so it is read by what such pushes have in common.

The signature is: `t=` and `s=`, HMAC over `t.body` with the app's client secret.
"""

from collections.abc import Iterator

from leadhub.channels.decoding import decode_json, flatten
from leadhub.channels.digging import dig, each, members, moment, text, texts
from leadhub.channels.platform import Platform, Sent, Told
from leadhub.channels.protocol import Guide, SecretFrom
from leadhub.channels.signatures import Mac, Part
from leadhub.domain.errors import InvalidInput

_ADS = ("advertiser_id", "campaign_id", "campaign_name", "ad_id", "ad_name", "page_id", "form_id")
_LISTS = ("field_data", "fields", "answers")
_NAMES = ("field", "name", "key", "label")


def read(sent: Sent) -> Iterator[Told]:
    """Read one lead, or each of several."""
    document = members(sent.document)
    content = dig(document, "content")
    if isinstance(content, str) and content.lstrip().startswith("{"):
        content = decode_json(content.encode("utf-8", "replace"))
    for outer in list(each(content)) or [document]:
        for entry in list(each(outer, "entry")) or [outer]:
            for change in list(each(entry, "changes")) or [entry]:
                lead = members(change, "value") or change
                yield _told({**document, **entry, **lead}, lead)


def _told(known: dict[str, object], lead: dict[str, object]) -> Told:
    lead_id = text(lead, "lead_id") or text(lead, "leadgen_id") or text(lead, "id")
    ads = {name: text(known, name) for name in _ADS} | {"adset_id": text(known, "adgroup_id")}
    told = Told(
        key=lead_id,
        submitted_at=moment(lead, "create_time") or moment(known, "create_time"),
        is_test=text(known, "is_test").lower() == "true",
        attributes={"lead_id": lead_id, "form_id": ads["form_id"]},
        attribution=ads,
    )
    pairs = [pair for name in _LISTS for pair in each(lead, name)]
    for pair in pairs:
        name = next((found for key in _NAMES if (found := text(pair, key))), "")
        told.answer(name, *texts(pair, "values"), *texts(pair, "value"))
    if not told.answers:
        try:
            told.answers = flatten({name: value for name, value in lead.items() if name not in ads})
        except InvalidInput:
            told.answers = {}
    return told


PLATFORM = Platform(
    name="tiktok",
    proof=Mac(header="tiktok-signature", signed=(Part.TIME, b".", Part.BODY), member="s"),
    read=read,
    keeps_nobody=True,
    activity="lead_form_submitted",
    guide=Guide(
        "TikTok lead generation",
        SecretFrom.PLATFORM,
        (
            "In TikTok for Business Developers open your app and set the webhook's callback URL to {url}",
            "Copy the app's client secret and tell the source: `leadhub sources secret KEY`",
            "Subscribe your advertiser's pages to LEAD, then make a test lead",
        ),
    ),
)
