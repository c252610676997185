"""A headless Chromium, driven over its DevTools protocol: no driver to download, no library of its own."""

import asyncio
import base64
import contextlib
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_SECONDS = 60
"""Far more than anything takes, unless the machine is starved."""

needs_browser = pytest.mark.skipif(
    not any(map(shutil.which, _NAMES)), reason=f"no Chromium on this machine: none of {', '.join(_NAMES)} is on PATH"
)


class Browser:
    """One browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}

    async def listen(self) -> None:
        """Hand each answer to whoever asked."""
        async for text in self._socket:
            message = json.loads(text)
            asked = self._answers.pop(message.get("id", 0), None)
            if asked is not None and not asked.done():
                asked.set_result(message)

    async def call(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        """Call a method of the protocol and return its result."""
        number = next(self._ids)
        self._answers[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        await self._socket.send(json.dumps(message))
        async with asyncio.timeout(_SECONDS):
            answer = await self._answers[number]
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    @asynccontextmanager
    async def page(self, url: str, *, scripts: bool = True) -> AsyncIterator["Page"]:
        """A page of its own, with nothing kept from others."""
        context = (await self.call("Target.createBrowserContext"))["browserContextId"]
        target = (await self.call("Target.createTarget", url="about:blank", browserContextId=context))["targetId"]
        session = (await self.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        page = Page(self, session)
        await page.call("Page.enable")
        if not scripts:
            await page.call("Emulation.setScriptExecutionDisabled", value=True)
        await page.open(url)
        yield page
        await self.call("Target.disposeBrowserContext", browserContextId=context)


class Page:
    """One tab."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session

    async def call(self, method: str, **parameters: Any) -> Any:
        return await self._browser.call(method, self._session, **parameters)

    async def open(self, url: str) -> None:
        """Go to an address and wait until it is there."""
        await self.call("Page.navigate", url=url)
        place = url.partition("#")[0]
        await self.until(f"location.href.startsWith({place!r}) && document.readyState === 'complete'")

    async def ask(self, expression: str) -> Any:
        """Evaluate an expression, also a promise, as the page's own script."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, expression: str) -> Any:
        """Wait until an expression holds."""
        deadline = asyncio.get_running_loop().time() + _SECONDS
        while True:
            with contextlib.suppress(AssertionError):  # between two documents there is none to ask
                if found := await self.ask(expression):
                    return found
            assert asyncio.get_running_loop().time() < deadline, expression
            await asyncio.sleep(0.03)

    async def type(self, selector: str, text: str) -> None:
        """Type into a field as a person does."""
        await self.ask(f"document.querySelector({selector!r}).focus()")
        await self.call("Input.insertText", text=text)

    async def click(self, selector: str) -> None:
        """Click where an element is; works without the page's scripts."""
        place = await self._place(selector)
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)

    async def _place(self, selector: str) -> dict[str, float]:
        document = (await self.call("DOM.getDocument"))["root"]["nodeId"]
        node = (await self.call("DOM.querySelector", nodeId=document, selector=selector))["nodeId"]
        await self.call("DOM.scrollIntoViewIfNeeded", nodeId=node)
        left, top, _, _, right, bottom, *_ = (await self.call("DOM.getBoxModel", nodeId=node))["model"]["content"]
        return {"x": (left + right) / 2, "y": (top + bottom) / 2}

    async def screenshot(self) -> bytes:
        """What it looks like, as PNG: for a person to look at."""
        shot = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser that keeps nothing, ended at the end."""
    program = next(filter(None, map(shutil.which, _NAMES)))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = await asyncio.create_subprocess_exec(
            program,
            "--headless=new",
            "--remote-debugging-port=0",
            f"--user-data-dir={folder}",
            "--no-first-run",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--window-size=900,1200",
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            address = await _address(Path(folder) / "DevToolsActivePort")
            async with connect(address, max_size=None, proxy=None) as socket:
                browser = Browser(socket)
                listening = asyncio.create_task(browser.listen())
                yield browser
                await browser.call("Browser.close")
                listening.cancel()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _address(file: Path) -> str:
    deadline = asyncio.get_running_loop().time() + _SECONDS
    while asyncio.get_running_loop().time() < deadline:
        lines = file.read_text().splitlines() if file.exists() else []  # noqa: ASYNC240 - two short lines
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        await asyncio.sleep(0.05)
    raise TimeoutError("Chromium does not start")
