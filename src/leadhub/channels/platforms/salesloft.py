"""`salesloft`: people of Salesloft, to which Drift's product moves. Signed with the subscription's callback token."""

from collections.abc import Iterator

from leadhub.channels.digging import members, moment, text, texts
from leadhub.channels.platform import Platform, Sent, Told
from leadhub.channels.protocol import Guide, SecretFrom
from leadhub.channels.signatures import Mac

_PEOPLE = ("person_", "chat_", "conversation_")
_NAMES = {
    "email_address": "email",
    "person_company_name": "company",
    "person_company_website": "website",
    "person_company_industry": "industry",
    "mobile_phone": "phone",
}
_KEPT = ("email_address", "phone", "mobile_phone", "first_name", "last_name", "title", "city", "state", "country",
         "person_company_name", "person_company_website", "person_company_industry", "job_seniority")  # fmt: skip


def read(sent: Sent) -> Iterator[Told]:
    """Read one person."""
    topic, person = sent.header("x-salesloft-event"), members(sent.document)
    if topic and not topic.startswith(_PEOPLE):
        return
    person_id, updated = text(person, "id"), text(person, "updated_at")
    told = Told(
        key=f"{topic} {person_id} {updated}" if person_id and updated else "",
        external_id=person_id,
        submitted_at=moment(person, "updated_at"),
        attributes={"topic": topic},
    )
    for name in _KEPT:
        told.answer(_NAMES.get(name, name), *texts(person, name))
    for name, value in members(person, "custom_fields").items():
        told.answer(name, *texts(value))
    yield told


PLATFORM = Platform(
    name="salesloft",
    proof=Mac(header="x-salesloft-signature", algorithm="sha1"),
    read=read,
    activity="chat_conversation",
    guide=Guide(
        "Salesloft",
        SecretFrom.LEADHUB,
        (
            (
                "Create a webhook subscription: POST https://api.salesloft.com/v2/webhook_subscriptions with "
                "callback_url {url}, callback_token {secret} and event_type person_created (another for person_updated)"
            ),
        ),
    ),
)
