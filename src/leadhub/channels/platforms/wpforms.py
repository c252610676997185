"""`wpforms`: the Webhooks add-on posts the names that its owner chose, as JSON or as a form."""

from collections.abc import Iterator

from leadhub.channels.platform import Body, Platform, Sent, Told
from leadhub.channels.protocol import Guide, SecretFrom
from leadhub.channels.signatures import Shared


def read(sent: Sent) -> Iterator[Told]:
    """Read one entry; a mapped `entry_id` tells repeats."""
    form = sent.flat()
    entry, form_id = (form.pop(name, [""])[0].strip() for name in ("entry_id", "form_id"))
    yield Told(
        form,
        key=f"{form_id} {entry}".strip() if entry else "",
        attributes={"lead_id": entry, "form_id": form_id},
        attribution={"form_id": form_id},
    )


PLATFORM = Platform(
    name="wpforms",
    proof=Shared(),
    read=read,
    keeps_nobody=True,
    body=Body.FORM,
    guide=Guide(
        "WPForms",
        SecretFrom.LEADHUB,
        (
            "In WordPress open the form, `Settings` > `Webhooks`, switch them on",
            "Request URL: {url}; method POST; format JSON",
            "Request headers: X-LeadHub-Secret = {secret}",
            "Request body: email, name, phone and so on, each with its field; add entry_id and form_id if you can",
        ),
    ),
)
