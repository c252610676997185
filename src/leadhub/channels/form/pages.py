"""The two pages that a person sees when a form names none of its own.

Plain, without style or script, so that the strictest content policy holds.
"""

from collections.abc import Sequence
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


def _named(error: FieldError) -> str:
    name = unquote(error.pointer.removeprefix("#").removeprefix("/")).replace("~1", "/").replace("~0", "~")
    return f"<strong>{escape(name)}</strong>: " if name else ""


def _page(status: int, title: str, body: str) -> Reply:
    html = _PAGE.format(title=escape(title), body=body)
    return Reply(status, html.encode(), "text/html; charset=utf-8", _HEADERS)
