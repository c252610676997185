"""A receiver that only notes when the first byte of each event came: `python -m benchmarks.crm PORT`."""

import sys
import time

import orjson
from aiohttp import web

_received: dict[str, float] = {}


async def hook(request: web.Request) -> web.Response:
    """Note an event; the handler runs as soon as its head is there."""
    came = time.time()
    event = orjson.loads(await request.read())
    _received.setdefault(event["data"]["contact"]["email"].lower(), came)
    return web.Response()


async def received(_: web.Request) -> web.Response:
    """Return what came."""
    return web.Response(body=orjson.dumps(_received), content_type="application/json")


if __name__ == "__main__":
    app = web.Application()
    app.add_routes([web.post("/hook", hook), web.get("/received", received)])
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
