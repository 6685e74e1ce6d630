"""What a hub says about its requests: one JSON line each, and counters for Prometheus.

Lines and labels hold routes, numbers and codes of refusals: never a code or token, a name, a body, or a
text that a client chose.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import UTC, datetime

from prometheus_client import Counter, Histogram

from proctor.hub.limits import App, Message, Receive, Scope, Send

REQUESTS = Counter("hub_requests_total", "Requests answered", ["method", "route", "status"])
REFUSED = Counter("hub_refused_total", "Requests refused", ["code"])
TAKEN = Counter("hub_taken_bytes_total", "Bytes of bodies that were taken", ["route"])
SECONDS = Histogram(
    "hub_request_seconds",
    "Seconds until an answer was complete",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0),
)
# Where several worker processes keep their numbers, so that one answers for all (prometheus-client).
MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_PLAIN = frozenset(logging.makeLogRecord({}).__dict__) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}

_log = logging.getLogger("proctor.hub")


class Observed:
    """Counts and logs every request, around everything else."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, taken = time.monotonic(), 0, 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            return message

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, counted, noted)
        except Exception:
            # Whoever is outside answers it, and has it in the log.
            status = status or 500
            raise
        finally:
            _note(scope, status, taken, time.monotonic() - began)


def _note(scope: Scope, status: int, taken: int, seconds: float) -> None:
    route = getattr(scope.get("route"), "path", "none")
    method = scope["method"] if scope["method"] in _METHODS else "other"
    REQUESTS.labels(method, route, str(status)).inc()
    SECONDS.labels(method, route).observe(seconds)
    TAKEN.labels(route).inc(taken)
    said = {"method": method, "route": route, "status": status, "ms": round(seconds * 1000, 1)}
    if (code := scope.get("proctor.problem")) is not None:
        REFUSED.labels(code).inc()
        said["refused"] = code
    if not route.startswith(("/livez", "/readyz", "/metrics")):
        _log.info("request", extra=said | {"bytes": taken})


class JsonLines(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "what": record.getMessage(),
            **{k: v for k, v in record.__dict__.items() if k not in _PLAIN},
        }
        if record.exc_info:
            said["trace"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False, default=str)


def log_to_stderr() -> None:
    """Let this process write its log to standard error, as lines of JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in ("proctor.hub", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(logging.INFO)
        logger.propagate = False
