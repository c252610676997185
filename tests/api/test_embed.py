"""The form script, as it is served and in a browser: on a page of another origin, with and without JavaScript."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from sqlalchemy import text
from tests.support.browser import Browser, Page, chromium, needs_browser
from tests.support.gateway import Gateway, client_of, own_database, running
from tests.support.waiting import a_source

from leadhub.api.embed import PATH, SCRIPT
from leadhub.channels.registry import CHANNELS
from leadhub.demo.form_page import FormPage
from leadhub.demo.receiver import listening
from leadhub.embedded import EmbeddedServers

MOST_BYTES = 3_000
ASKED = "?utm_source=Mail&gclid=c-1&email=visitor%40example.org"


@pytest.fixture(scope="module")
async def gateway(servers: EmbeddedServers, template: str) -> AsyncIterator[Gateway]:
    async with own_database(servers, template, "embed") as settings, running(settings, CHANNELS) as opened:
        yield opened


def test_the_script_is_small() -> None:
    assert len(SCRIPT) <= MOST_BYTES


async def test_a_page_may_keep_the_script_and_asks_again_by_its_tag(gateway: Gateway) -> None:
    async with client_of(gateway) as client:
        first = await client.get(PATH)
        again = await client.get(PATH, headers={"if-none-match": f'"other", W/{first.headers["etag"]}'})
        head = await client.head(PATH)

    assert (first.status_code, first.content) == (200, SCRIPT)
    assert first.headers["content-type"] == "text/javascript; charset=utf-8"
    assert first.headers["cache-control"].startswith("public, max-age=3600")
    assert first.headers["access-control-allow-origin"] == "*"
    assert (again.status_code, again.content) == (304, b"")
    assert (head.status_code, head.content) == (200, b"")


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


@pytest.fixture
async def form(gateway: Gateway) -> AsyncIterator[tuple[str, UUID]]:
    """The demo's page on an origin of its own, and the source that its form posts to."""
    page = FormPage()
    async with page.listening() as origin:
        consent = {"field": "consent", "wording": "Yes, send me product news."}
        options = {"allowed_origins": [origin], "thank_you_url": f"{origin}/thanks", "consents": [consent]}
        source = await a_source(gateway.resources.engine, channel="form", **options)
        page.gateway, page.key = gateway.url, source.hex
        yield origin, source


async def stored(gateway: Gateway, source: UUID) -> list[dict[str, Any]]:
    async with gateway.resources.engine.connect() as connection:
        query = text("SELECT content::text, is_spam FROM submission WHERE source_id = :id ORDER BY id")
        rows = await connection.execute(query, {"id": source})
        return [{**json.loads(row[0]), "is_spam": row[1]} for row in rows]


async def fill(page: Page, email: str = "ada@example.org") -> None:
    for name, value in {"first_name": "Ada", "last_name": "Lovelace", "email": email}.items():
        await page.type(f"#{name}", value)


@needs_browser
async def test_a_form_is_sent_from_another_origin_and_says_so(
    gateway: Gateway, browser: Browser, form: tuple[str, UUID]
) -> None:
    origin, source = form

    async with browser.page(f"{origin}/{ASKED}") as page:
        await fill(page)
        await page.click("#consent")
        await page.click("button")
        said = await page.until(
            "document.querySelector('form').dataset.state === 'success' && document.activeElement.textContent"
        )
        hidden = await page.ask("document.querySelector('form').offsetParent === null")
        role = await page.ask("document.activeElement.getAttribute('role')")
        kept = await page.ask("localStorage.length + sessionStorage.length")

    [found] = await stored(gateway, source)
    assert said.startswith("Thank you")
    assert (hidden, role, kept) == (True, "status", 0)
    assert found["fields"] == {"first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.org"}
    assert found["attribution"]["gclid"] == "c-1"
    assert found["attribution"]["landing_page"] == f"{origin}/"
    assert found["consents"][0]["granted"] is True
    assert not found["is_spam"]
    assert "visitor" not in json.dumps(found), "what else is in the page's address is nobody's business"


@needs_browser
async def test_a_wrong_field_is_marked_explained_and_focused(
    gateway: Gateway, browser: Browser, form: tuple[str, UUID]
) -> None:
    origin, source = form

    async with browser.page(origin) as page:
        await fill(page)
        await page.ask("document.forms[0].noValidate = true; document.querySelector('#email').value = 'ada'")
        await page.click("button")
        marked = await page.until(
            "document.activeElement.getAttribute('aria-invalid') && document.activeElement.id + ': ' + "
            "document.getElementById(document.activeElement.getAttribute('aria-describedby')).textContent"
        )
        told = await page.ask("document.querySelector('[role=status]').textContent")
        await page.ask("document.querySelector('#email').value = 'ada@example.org'")
        await page.click("button")
        await page.until("document.forms[0].dataset.state === 'success'")
        left = await page.ask("document.querySelectorAll('[aria-invalid=true], .leadhub-error').length")

    assert marked == "email: This is not an e-mail address, and there is no phone number."
    assert told == "Please correct the form."
    assert left == 0
    assert len(await stored(gateway, source)) == 1


@needs_browser
async def test_without_javascript_it_is_a_plain_form(
    gateway: Gateway, browser: Browser, form: tuple[str, UUID]
) -> None:
    origin, source = form

    async with browser.page(origin, scripts=False) as page:
        await fill(page)
        await page.click("button")
        await page.until(f"location.href === '{origin}/thanks'")

    [found] = await stored(gateway, source)
    assert found["fields"]["email"] == "ada@example.org"


PLAIN = """<!doctype html><title>t</title>
<form action="{action}" method="post" data-leadhub {attributes}>
  <input id="email" name="email"><button>Send</button>
</form>
<script src="{script}" {remember} defer></script>"""


class Site:
    """Pages with a bare form, and a LeadHub before the gateway that loses answers when it is told to."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.url = ""
        self.action = ""
        """Where its forms post to; itself if empty."""
        self.source = UUID(int=0)
        self.lose = 0
        """Answers to posts still to be lost."""
        self.remember = ""
        self.attributes = ""
        self.keys: list[str] = []

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_post("/in/form/{key}", self._post)
        application.router.add_get("/{page:.*}", self._page)
        return application

    async def _page(self, _request: web.Request) -> web.Response:
        page = PLAIN.format(
            action=f"{self.action}/in/form/{self.source.hex}",
            script=f"{self._gateway.url}{PATH}",
            attributes=self.attributes,
            remember=self.remember,
        )
        return web.Response(text=page, content_type="text/html")

    async def _post(self, request: web.Request) -> web.Response:
        self.keys.append(request.headers["idempotency-key"])
        sent = {name: request.headers[name] for name in ("content-type", "accept", "idempotency-key")}
        async with client_of(self._gateway) as client:
            answer = await client.post(request.path, content=await request.read(), headers=sent)
        if self.lose:
            self.lose -= 1
            assert request.transport is not None
            request.transport.close()
        return web.Response(body=answer.content, status=answer.status_code, content_type="application/json")


@pytest.fixture
async def site(gateway: Gateway) -> AsyncIterator[Site]:
    opened = Site(gateway)
    opened.source = await a_source(gateway.resources.engine, channel="form")
    async with listening(opened.application(), "127.0.0.1", 0) as opened.url:
        yield opened


@needs_browser
async def test_a_lost_answer_is_asked_for_again_and_makes_one_lead(
    gateway: Gateway, browser: Browser, site: Site
) -> None:
    site.lose = 1

    async with browser.page(site.url) as page:
        await page.type("#email", "ada@example.org")
        await page.click("button")
        await page.until("document.forms[0].dataset.state === 'success'")

    assert len(site.keys) == 2
    assert len(set(site.keys)) == 1
    assert len(await stored(gateway, site.source)) == 1


@needs_browser
async def test_the_first_touch_is_kept_where_the_page_says_so(gateway: Gateway, browser: Browser, site: Site) -> None:
    site.remember = 'data-remember="session"'

    async with browser.page(f"{site.url}/landing?utm_source=ads&secret=1") as page:
        await page.open(f"{site.url}/pricing")
        await page.type("#email", "ada@example.org")
        await page.click("button")
        await page.until("document.forms[0].dataset.state === 'success'")
        await page.ask("leadhub.remember()")
        kept = await page.ask("sessionStorage.length")

    [found] = await stored(gateway, site.source)
    assert found["attribution"] == {"utm_source": "ads", "landing_page": f"{site.url}/landing"}
    assert found["evidence"]["page_url"] == f"{site.url}/pricing"
    assert kept == 0


@needs_browser
async def test_a_robot_that_fills_in_everything_is_told_the_same(
    gateway: Gateway, browser: Browser, site: Site
) -> None:
    async with browser.page(site.url) as page:
        await page.until("!!document.forms[0].elements._gotcha")
        await page.ask("for (const one of document.forms[0].elements) one.value = 'ada@example.org'")
        await page.click("button")
        await page.until("document.forms[0].dataset.state === 'success'")

    [found] = await stored(gateway, site.source)
    assert found["is_spam"]


@needs_browser
async def test_a_second_click_while_it_is_sent_sends_nothing(gateway: Gateway, browser: Browser, site: Site) -> None:
    async with browser.page(site.url) as page:
        await page.type("#email", "ada@example.org")
        await page.ask("document.forms[0].requestSubmit(); document.forms[0].requestSubmit()")
        await page.until("document.forms[0].dataset.state === 'success'")

    assert len(site.keys) == 1
    assert len(await stored(gateway, site.source)) == 1


@needs_browser
async def test_a_token_of_when_the_form_was_opened_is_fetched_from_another_origin(
    gateway: Gateway, browser: Browser, site: Site
) -> None:
    options = {"form_token": "refuse", "min_fill_seconds": 0.1, "allowed_origins": [site.url]}
    site.source = await a_source(gateway.resources.engine, channel="form", **options)
    site.action, site.attributes = gateway.url, "data-token data-success='Done.'"

    async with browser.page(site.url) as page:
        await page.type("#email", "ada@example.org")
        state = ""
        for _ in range(50):  # the token comes after the page
            await page.click("button")
            if await page.until("['success', 'error'].includes(document.forms[0].dataset.state)"):
                state = await page.ask("document.forms[0].dataset.state")
            if state == "success":
                break
        told = await page.ask("document.querySelector('[role=status]').textContent")

    assert told == "Done."
    assert [row["is_spam"] for row in await stored(gateway, site.source)] == [False]
