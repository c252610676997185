"""What a gateway does with five times what it can take: memory, refusals, and how much still gets in.

Capacity is what 64 busy connections reach; then 1,200 connections ask at once, far more than are served, with a small
limit of requests at a time so that refusals happen. Every answer must be 202, 429 or 503, and memory must stay flat.
"""

import asyncio
import contextlib
from typing import Any

from benchmarks.accept import free_port, load, prepare, process
from benchmarks.http_load import Target
from benchmarks.measuring import memory_mib, servers


def run(seconds: float = 8.0) -> dict[str, Any]:
    """Measure capacity, then overload."""
    with servers() as running, contextlib.ExitStack() as stack:
        path, token = asyncio.run(prepare(running))
        port = free_port()
        child = stack.enter_context(
            process(running, "leadhub", "serve", port=port, LEADHUB_PORT=str(port), LEADHUB_REQUESTS="200")
        )
        calm = load("closed", Target(port, path, token), connections=64, seconds=seconds)
        before = memory_mib(child.pid)
        flood = load("closed", Target(port, path, token, 10_000_000), connections=1200, seconds=seconds)
        after = memory_mib(child.pid)
        again = load("closed", Target(port, path, token, 20_000_000), connections=64, seconds=seconds / 2)
    accepted = flood["statuses"].get("202", 0) / seconds
    return {
        "calm": calm,
        "flood": flood,
        "again": again,
        "memory_mib": {"before": before, "after": after},
        "goodput : capacity": accepted / calm["per_second"],
    }


def main() -> dict[str, Any]:
    """Print what came back."""
    result = run()
    for name in ("calm", "flood", "again"):
        one = result[name]
        print(
            f"{name:6} {one['per_second']:7.0f}/s  p50 {one['p50_ms']:.1f}  p99 {one['p99_ms']:.1f}  {one['statuses']}"
        )
    print(result["memory_mib"], f"goodput : capacity {result['goodput : capacity']:.2f}")
    return result


if __name__ == "__main__":
    main()
