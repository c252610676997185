"""`contact-form-7`: what its webhook plugins post: the names in the form, such as `your-email`. Nothing is signed."""

from collections.abc import Iterator

from leadhub.channels.platform import Body, Platform, Sent, Told
from leadhub.channels.protocol import Guide, SecretFrom
from leadhub.channels.signatures import Shared

_OWN = ("_wpcf7", "_wpnonce", "g-recaptcha", "quiz-", "mc4wp")


def read(sent: Sent) -> Iterator[Told]:
    """Read one form; repeats cannot be told, it sends no id."""
    told = Told()
    for name, values in sent.flat().items():
        if not name.lower().startswith(_OWN):
            told.answer(name, *values)
    yield told


PLATFORM = Platform(
    name="contact-form-7",
    proof=Shared(is_required=False),
    read=read,
    keeps_nobody=True,
    body=Body.FORM,
    guide=Guide(
        "Contact Form 7",
        SecretFrom.NOBODY,
        (
            "In WordPress install a plugin such as `CF7 to Webhook`, then open the form's tab `Webhook`",
            "Switch it on and enter {url}",
            "Nothing is signed: the address itself is the secret, keep it to yourself",
        ),
    ),
)
