"""A company's website with one form, for the demo, on an origin of its own: HTML and LeadHub's form script."""

from contextlib import AbstractAsyncContextManager
from html import escape
from importlib.resources import files
from string import Template

from aiohttp import web

from leadhub.demo.receiver import listening

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
_SCRIPTED = "script-src {gateway}; connect-src {gateway}"
# No form-action: browsers also apply it to where the form's answer redirects, which is back to this page.


class FormPage:
    """The page; where its form posts to is set once the source exists, which must know the page's origin first."""

    def __init__(self) -> None:
        self.gateway = ""
        """The gateway's URL."""
        self.key = ""
        """The source's."""
        self._form = Template(_asset("form.html"))
        self._thanks = _asset("thanks.html")

    def listening(self) -> AbstractAsyncContextManager[str]:
        """Serve the page on a free port of this machine, and yield its address."""
        application = web.Application()
        application.router.add_get("/", self._show_form)
        application.router.add_get("/thanks", self._show_thanks)
        return listening(application, "127.0.0.1", 0)

    async def _show_form(self, _request: web.Request) -> web.Response:
        names = {"action": f"{self.gateway}/in/form/{self.key}", "script": f"{self.gateway}/embed/v1.js"}
        text = self._form.substitute({name: escape(url) for name, url in names.items()})
        return _page(text, policy=f"{_POLICY}; {_SCRIPTED.format(gateway=self.gateway)}")

    async def _show_thanks(self, _request: web.Request) -> web.Response:
        return _page(self._thanks)


def _page(text: str, *, policy: str = _POLICY) -> web.Response:
    return web.Response(text=text, content_type="text/html", headers={"content-security-policy": policy})


def _asset(name: str) -> str:
    return (files("leadhub.demo") / name).read_text(encoding="utf-8")
