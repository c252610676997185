"""The pages that a person sees when a form names none of its own, and when it was not taken.

Plain, without style or script, so that the strictest content policy holds.
"""

from collections.abc import Mapping, Sequence
from html import escape
from urllib.parse import unquote

from leadhub.channels.protocol import Reply
from leadhub.domain.errors import FieldError

_HEADERS = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""


def thank_you() -> Reply:
    """Return the page after a form was accepted."""
    return _page(200, "Thank you", "<p>We have received your message.</p>")


def what_is_wrong(errors: Sequence[FieldError]) -> Reply:
    """Return the page that names what to correct. Names are the sender's own: escaped; values are never shown."""
    items = "\n".join(f"<li>{_named(each)}{escape(each.detail)}</li>" for each in errors)
    return _page(
        422,
        "Please correct the form",
        f'<div role="alert">\n<p>Nothing was sent. Go back, correct this, and send the form again:</p>\n'
        f"<ul>\n{items}\n</ul>\n</div>",
    )


_WHY: Mapping[int, str] = {
    403: "This form may not be sent from the page it is on.",
    404: "There is no such form here any more.",
    408: "It did not arrive in time. Go back, and send the form again.",
    409: "This form was sent before with something else in it. Reload its page, and fill it in again.",
    413: "It is too large. Go back, shorten it, and send the form again.",
    415: "This form sends what cannot be read here.",
    429: "There is too much to do just now. Go back, and send the form again in a minute.",
    503: "It cannot be taken just now. Go back, and send the form again in a minute.",
}
_WITHOUT_REASON = "Go back, and send the form again."


def not_taken(status: int, headers: Sequence[tuple[str, str]] = ()) -> Reply:
    """Return the page after a refusal that has nothing to do with what is in the fields."""
    because = _WHY.get(status, _WITHOUT_REASON)
    page = _page(status, "Your message was not sent", f'<p role="alert">{escape(because)}</p>')
    return page._replace(headers=(*page.headers, *headers))


def _named(error: FieldError) -> str:
    name = unquote(error.pointer.removeprefix("#").removeprefix("/")).replace("~1", "/").replace("~0", "~")
    return f"<strong>{escape(name)}</strong>: " if name else ""


def _page(status: int, title: str, body: str) -> Reply:
    html = _PAGE.format(title=escape(title), body=body)
    return Reply(status, html.encode(), "text/html; charset=utf-8", _HEADERS)
