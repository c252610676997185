"""How fast a lead is durably accepted, beside what stores nothing and beside what most would write.

Three servers, each one process, one PostgreSQL with fsync on, 64 connections, rounds interleaved so that a change in
the machine's mood meets all three. Only the ratios mean anything, and only those of rounds in which the host left the
machine alone: rounds are repeated, up to a limit, until enough of them were calm.
"""

import asyncio
import contextlib
import json
import secrets
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.http_load import Target
from benchmarks.measuring import CALM, Servers, Stolen, memory_mib, postgres_cpu_seconds, process_cpu_seconds, servers

from leadhub.pipeline.keys import create_key
from leadhub.pipeline.sources import create_source
from leadhub.resources import Resources, clock, open_resources
from leadhub.store.migrations import migrate

CONNECTIONS = 64


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def process(running: Servers, *arguments: str, port: int, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server of ours until it listens, and stop it afterwards."""
    child = subprocess.Popen([sys.executable, "-m", *arguments], env=running.environment(**environment))
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.05)
        yield child
    finally:
        child.terminate()
        try:
            child.wait(timeout=15)
        except subprocess.TimeoutExpired:
            child.kill()


def load(kind: str, target: Target, **order: float) -> dict[str, Any]:
    """Run a load in a process of its own."""
    order_text = json.dumps({"kind": kind, "target": asdict(target), **order})
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.http_load", order_text], capture_output=True, check=True, text=True
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


async def prepare(running: Servers) -> tuple[str, str]:
    """Migrate; return the path of an api source and a key for it."""
    settings = running.settings()
    await migrate(settings.database_url, now=clock())
    async with open_resources(settings) as resources:
        return await make_api_source(resources)


async def make_api_source(resources: Resources) -> tuple[str, str]:
    """Make an api source and a key for it; return its path and the token."""
    source = await create_source(
        resources.sessions, resources.vault, channel="api", name="bench", now=clock(), entropy=secrets.token_bytes
    )
    made = await create_key(
        resources.sessions,
        name="bench",
        scopes=["leads:write"],
        expires_at=None,
        now=clock(),
        entropy=secrets.token_bytes,
    )
    return f"/in/api/{source.key}", made.token


def measure(
    running: Servers, child: subprocess.Popen[bytes], kind: str, target: Target, **order: float
) -> dict[str, Any]:
    """Load one server; add the CPU it and PostgreSQL used for each accepted request."""
    mine, theirs = process_cpu_seconds(child.pid), postgres_cpu_seconds(running)
    result = load(kind, target, **order)
    accepted = result["statuses"].get("202", 0) or 1
    result["cpu_ms"] = (process_cpu_seconds(child.pid) - mine) / accepted * 1000
    result["postgres_cpu_ms"] = (postgres_cpu_seconds(running) - theirs) / accepted * 1000
    return result


def run(rounds: int = 3, most_rounds: int = 9, seconds: float = 4.0) -> dict[str, Any]:
    """Measure every server in every round, until `rounds` were calm."""
    results: dict[str, list[dict[str, Any]]] = {}
    stolen: list[float] = []
    with servers() as running, contextlib.ExitStack() as stack:
        path, token = asyncio.run(prepare(running))
        ports = {name: free_port() for name in ("leadhub", "noop", "tutorial")}
        children = {
            "leadhub": stack.enter_context(
                process(running, "leadhub", "serve", port=ports["leadhub"], LEADHUB_PORT=str(ports["leadhub"]))
            )
        }
        for name in ("noop", "tutorial"):
            children[name] = stack.enter_context(
                process(running, "benchmarks.rivals", name, str(ports[name]), port=ports[name])
            )
        for number in range(most_rounds):
            if sum(share <= CALM for share in stolen) >= rounds:
                break
            watch = Stolen()
            for name, child in children.items():
                first = number * 10_000_000
                target = (
                    Target(ports[name], path, token, first)
                    if name == "leadhub"
                    else Target(ports[name], "/lead", "", first)
                )
                closed = measure(running, child, "closed", target, connections=CONNECTIONS, seconds=seconds)
                paced = Target(target.port, target.path, target.token, first + 5_000_000)
                fixed = measure(running, child, "open", paced, rate=250, seconds=seconds)
                results.setdefault(name, []).append({"closed": closed, "open": fixed})
            stolen.append(watch.share())
        memory = {name: memory_mib(child.pid) for name, child in children.items()}
    calm = [number for number, share in enumerate(stolen) if share <= CALM]
    counted = calm if len(calm) >= rounds else list(range(len(stolen)))
    return {
        "rounds": results,
        "stolen": stolen,
        "counted": counted,
        "memory_mib": memory,
        "ratios": ratios(results, counted),
    }


def ratios(results: dict[str, list[dict[str, Any]]], counted: Sequence[int]) -> dict[str, float]:
    """Return the medians over the counted rounds of ratios taken within each."""

    def median(of: Any) -> float:
        return float(statistics.median(of(index) for index in counted))

    def closed(name: str, index: int, key: str) -> float:
        return float(results[name][index]["closed"][key])

    return {
        "accepts : tutorial": median(
            lambda i: closed("leadhub", i, "per_second") / closed("tutorial", i, "per_second")
        ),
        "accepts : noop": median(lambda i: closed("leadhub", i, "per_second") / closed("noop", i, "per_second")),
        "cpu : noop": median(lambda i: closed("leadhub", i, "cpu_ms") / closed("noop", i, "cpu_ms")),
        "p99 at 250/s : noop": median(
            lambda i: results["leadhub"][i]["open"]["p99_ms"] / results["noop"][i]["open"]["p99_ms"]
        ),
    }


def main() -> dict[str, Any]:
    """Print a table and the ratios."""
    result = run()
    names = ("req/s", "p50 ms", "p99 ms", "cpu ms", "pg cpu")
    print(f"{'':10} " + " ".join(f"{name:>8}" for name in names) + f" {'250/s p50':>10} {'p99':>8} stolen")
    for name, rounds in result["rounds"].items():
        for one, share in zip(rounds, result["stolen"], strict=True):
            c, o = one["closed"], one["open"]
            print(
                f"{name:10} {c['per_second']:8.0f} {c['p50_ms']:8.1f} {c['p99_ms']:8.1f} {c['cpu_ms']:8.3f} "
                f"{c['postgres_cpu_ms']:8.3f} {o['p50_ms']:10.2f} {o['p99_ms']:8.2f} {share:6.0%}  {c['statuses']}"
            )
    print(f"counted: {len(result['counted'])} rounds of {len(result['stolen'])}")
    for name, value in result["ratios"].items():
        print(f"{name:22} {value:6.2f}")
    return result


if __name__ == "__main__":
    main()
