"""The demo's CRM, in a process of its own as a real one would be: `python -m leadhub.demo.crm`.

It speaks to the demo in lines of JSON. It prints first where it listens, then each request as it comes; it reads the
signing secret, which exists only after its URL has been subscribed. It ends when its standard input does.
"""

import asyncio
import sys
from dataclasses import asdict

import orjson

from leadhub.demo.receiver import Receipt, Receiver
from leadhub.domain.signature import parse_secret


def _report(line: dict[str, object]) -> None:
    sys.stdout.buffer.write(orjson.dumps(line) + b"\n")
    sys.stdout.buffer.flush()


def _on_receipt(receipt: Receipt) -> None:
    _report(asdict(receipt))


async def main() -> None:
    """Take webhooks until standard input ends."""
    receiver = Receiver(_on_receipt)
    async with receiver.listening("127.0.0.1", 0) as url:
        _report({"url": f"{url}/webhooks/leadhub"})
        while line := await asyncio.to_thread(sys.stdin.buffer.readline):
            receiver.keys = [parse_secret(orjson.loads(line)["secret"])]


if __name__ == "__main__":
    asyncio.run(main())
