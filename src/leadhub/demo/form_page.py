"""A company's website with one form, for the demo: plain HTML on an origin of its own, no script, nothing stored."""

from contextlib import AbstractAsyncContextManager
from html import escape
from importlib.resources import files
from string import Template

from aiohttp import web

from leadhub.demo.receiver import listening

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
# No form-action: browsers also apply it to where the form's answer redirects, which is back to this page.


class FormPage:
    """The page; where its form posts to is set once the source exists, which must know the page's origin first."""

    def __init__(self) -> None:
        self.action = ""
        self._form = Template(_asset("form.html"))
        self._thanks = _asset("thanks.html")

    def listening(self) -> AbstractAsyncContextManager[str]:
        """Serve the page on a free port of this machine, and yield its address."""
        application = web.Application()
        application.router.add_get("/", self._show_form)
        application.router.add_get("/thanks", self._show_thanks)
        return listening(application, "127.0.0.1", 0)

    async def _show_form(self, _request: web.Request) -> web.Response:
        return _page(self._form.substitute(action=escape(self.action)))

    async def _show_thanks(self, _request: web.Request) -> web.Response:
        return _page(self._thanks)


def _page(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/html", headers={"content-security-policy": _POLICY})


def _asset(name: str) -> str:
    return (files("leadhub.demo") / name).read_text(encoding="utf-8")
