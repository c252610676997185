"""Structured logs and metrics.

A log line is one unit of work, wide, with ids. Only the fields listed here can be logged: a field that is not is
dropped and counted, so that a careless call can never write an e-mail address. Metrics carry no personal data as
labels.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any
from uuid import UUID

import orjson
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from typing_extensions import override

LOGGED = frozenset(
    {
        "accepted", "asked", "attempt", "attempts", "batch", "because", "breached", "changed", "channel", "claimed",
        "client", "compared", "component", "count", "created", "deadline_seconds", "deliveries", "delivery_id", "depth",
        "duration_ms", "endpoint_id", "error_class", "event_id", "event_type", "events", "failed", "feedback_id",
        "finished", "host", "job", "key_id", "kind", "lead_id", "leads", "made", "merge_id", "merged", "method",
        "nurtured", "outcome", "owners", "part", "pid", "playbook", "port", "problem", "purged", "ready", "received",
        "redis", "replayed", "request_id", "retried", "route", "routed", "rows", "scope", "signal", "source_id",
        "statements", "status", "step", "steps", "submission_id", "submissions", "track", "updated", "url_host",
        "version", "wait_ms", "worker",
    }
)  # fmt: skip
"""Names of the fields that a log line may carry besides event, level, timestamp, logger and a class-only error."""

_ALWAYS = frozenset({"event", "level", "timestamp", "logger"})

REGISTRY = CollectorRegistry()
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

ACCEPTED = Counter("leadhub_submissions_accepted", "Submissions on disk", ["channel"], registry=REGISTRY)
REPLAYED = Counter(
    "leadhub_submissions_replayed", "Repeats that got their first answer", ["channel"], registry=REGISTRY
)
SPAM = Counter("leadhub_submissions_spam", "Submissions put aside as spam", ["channel"], registry=REGISTRY)
FORGED = Counter(
    "leadhub_signatures_refused", "Requests whose sender did not prove itself", ["channel"], registry=REGISTRY
)
QUARANTINED = Counter(
    "leadhub_deliveries_quarantined", "Deliveries of proven senders in which nobody was found", ["channel"],
    registry=REGISTRY,
)  # fmt: skip
CAPTCHAS = Counter("leadhub_captchas", "Captchas by what their provider said", ["outcome"], registry=REGISTRY)
REFUSED = Counter("leadhub_requests_refused", "Requests refused at the door", ["status"], registry=REGISTRY)
INBOX_WAITING = Gauge("leadhub_inbox_waiting", "Submissions in memory that wait for their commit", registry=REGISTRY)
INBOX_FLUSH_ROWS = Histogram(
    "leadhub_inbox_flush_rows", "Submissions in one commit", buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500),
    registry=REGISTRY,
)  # fmt: skip
INBOX_FLUSH_SECONDS = Histogram(
    "leadhub_inbox_flush_seconds", "Time of one commit", buckets=_SECONDS, registry=REGISTRY
)
QUEUE_DEPTH = Gauge("leadhub_pending_submissions", "Submissions on disk, not yet processed", registry=REGISTRY)
QUEUE_AGE = Gauge("leadhub_pending_oldest_seconds", "Age of the oldest unprocessed submission", registry=REGISTRY)
QUEUE_FAILED = Gauge("leadhub_failed_submissions", "Submissions parked with their error", registry=REGISTRY)
BATCH_ROWS = Histogram(
    "leadhub_process_batch_rows", "Submissions in one processed batch", buckets=(1, 2, 5, 10, 25, 50, 100, 200, 500),
    registry=REGISTRY,
)  # fmt: skip
PROCESS_SECONDS = Histogram("leadhub_process_seconds", "Time of one batch", buckets=_SECONDS, registry=REGISTRY)
PROCESSED = Counter("leadhub_submissions_processed", "Submissions that became part of a lead", registry=REGISTRY)
FAILED = Counter("leadhub_submissions_failed", "Submissions parked after their last try", registry=REGISTRY)
ROUTED = Counter("leadhub_leads_routed", "Routing decisions", ["route"], registry=REGISTRY)
ATTEMPTS = Counter("leadhub_delivery_attempts", "Webhook attempts by class of outcome", ["outcome"], registry=REGISTRY)
ATTEMPT_SECONDS = Histogram(
    "leadhub_delivery_attempt_seconds", "Time of one attempt", buckets=_SECONDS, registry=REGISTRY
)
ATTEMPT_PART_SECONDS = Histogram(
    "leadhub_delivery_attempt_part_seconds", "Where the time of an attempt went: dns, connect, tls, first_byte",
    ["part"], buckets=_SECONDS, registry=REGISTRY,
)  # fmt: skip
ENDPOINT_ATTEMPTS = Counter(
    "leadhub_endpoint_attempts", "Attempts to deliver to an endpoint by class of outcome", ["endpoint", "outcome"],
    registry=REGISTRY,
)  # fmt: skip
DELIVERIES_AGE = Gauge(
    "leadhub_deliveries_oldest_seconds", "Age of the delivery that has been due for longest", registry=REGISTRY
)
ENDPOINT_AGE = Gauge(
    "leadhub_endpoint_oldest_seconds", "Age of the delivery to an endpoint that has been due for longest", ["endpoint"],
    registry=REGISTRY,
)  # fmt: skip
ENDPOINT_IN_FLIGHT = Gauge(
    "leadhub_endpoint_in_flight", "Webhooks on their way to an endpoint", ["endpoint"], registry=REGISTRY
)
ENDPOINT_WIDTH = Gauge(
    "leadhub_endpoint_width", "Most webhooks at once that an endpoint bears; 0 while its circuit is open", ["endpoint"],
    registry=REGISTRY,
)  # fmt: skip
ENDPOINT_FAILING = Gauge(
    "leadhub_endpoint_failing_seconds", "For how long nothing has succeeded at an endpoint", ["endpoint"],
    registry=REGISTRY,
)  # fmt: skip
SPEED_TO_LEAD = Histogram(
    "leadhub_speed_to_lead_seconds", "From receipt of a submission to a 2xx for its lead.routed", buckets=_SECONDS,
    registry=REGISTRY,
)  # fmt: skip
DROPPED_FIELDS = Counter("leadhub_log_fields_dropped", "Log fields that the allow-list refused", registry=REGISTRY)


def _allow_listed(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in [name for name in line if name not in LOGGED and name not in _ALWAYS]:
        del line[name]
        DROPPED_FIELDS.inc()
    return line


def _with_ids_as_text(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Write ids as people do; orjson does so by itself, at a tenth of the cost."""
    return {name: str(value) if isinstance(value, UUID) else value for name, value in line.items()}


def configure_logging(*, log_format: str, level: str) -> None:
    """Send structured lines to stderr, and every library's warnings through the same allow-list."""
    rendering: list[structlog.typing.Processor]
    factory: structlog.WriteLoggerFactory | structlog.BytesLoggerFactory
    if log_format == "console":
        rendering = [_with_ids_as_text, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
        factory = structlog.WriteLoggerFactory(sys.stderr)
    else:  # a line a request: orjson and no detour through text are a tenth of its cost
        rendering = [structlog.processors.JSONRenderer(serializer=orjson.dumps)]
        factory = structlog.BytesLoggerFactory(sys.stderr.buffer)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _allow_listed,
            *rendering,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_ClassOnly()], level=logging.WARNING, force=True)


class _ClassOnly(logging.Handler):
    """Forward a library's log record without its text: libraries quote values, and values are people."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        get_logger("library").warning("library.log", kind=record.name, error_class=error, because=record.funcName)


def get_logger(component: str) -> structlog.typing.FilteringBoundLogger:
    """Return a logger that names its component on every line."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(component=component)
    return logger
