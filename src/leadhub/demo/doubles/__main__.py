"""Serve the doubles until standard input ends."""

import asyncio
import sys

from leadhub.demo.doubles.serving import serving


async def main() -> None:
    """Say where, then wait."""
    async with serving() as url:
        sys.stdout.write(f'{{"url": "{url}"}}\n')
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.buffer.read)


if __name__ == "__main__":
    asyncio.run(main())
