"""Run benchmarks: `./run bench [NAME…]`. Each prints a table; the results go to benchmarks/results as JSON.

Without a name: all that take a minute or less. The others want patience, most of them a quiet machine, too.
"""

import importlib
import json
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

SHORT = ("scoring", "normalisation", "channels", "accept", "processing", "routing", "delivery", "speed_to_lead")
LONG = (
    "growth", "candidates", "overload", "dedupe", "scan", "simulation", "neighbours", "recovery", "worker_memory",
    "claims", "backlog", "stream_facts",
)  # fmt: skip
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Run what was asked for, in order."""
    names = [name for name in sys.argv[1:] if not name.isdigit()] or list(SHORT)
    for name in names:
        if name not in SHORT + LONG:
            sys.exit(f"bench: there is no {name}; known: {', '.join(SHORT + LONG)}")
        print(f"== {name}", flush=True)
        result = importlib.import_module(f"benchmarks.{name}").main()
        RESULTS.mkdir(exist_ok=True)
        stamp = datetime.now(UTC)
        document = {"at": stamp.isoformat(), "python": platform.python_version(), "result": result}
        (RESULTS / f"{stamp:%Y%m%dT%H%M%S}-{name}.json").write_text(json.dumps(document, indent=2, default=str))


if __name__ == "__main__":
    main()
