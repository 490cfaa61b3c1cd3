"""One line an event: time, level, service, what happened, and fields from an allow-list.

Control characters are escaped, so that no name from outside can start a line of its own or move a
terminal's cursor.
"""

import logging
import sys
import time
from collections.abc import MutableMapping
from typing import Any

# What may stand in a log: never content, tokens, or names of other people's files.
FIELDS = frozenset(
    [
        "address",
        "bytes",
        "code",
        "count",
        "drops",
        "epoch",
        "error",
        "key",
        "metric",
        "mend",
        "pid",
        "port",
        "producer",
        "reason",
        "sampler",
        "seconds",
        "seq",
        "service",
        "setting",
        "signal",
        "source",
        "state",
        "table",
        "topic",
        "version",
    ]
)


def escape(text: str) -> str:
    """Printable on one line: control and format characters become \\x…, \\u…"""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class _Line(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        text = record.getMessage()
        if record.exc_info:
            text += " | " + self.formatException(record.exc_info)
        fields = getattr(record, "fields", {})
        tail = "".join(f" {name}={_value(value)}" for name, value in fields.items() if name in FIELDS)
        head = f"{moment}.{int(record.msecs):03d}Z {record.levelname.lower()} {self._service}"
        return f"{head}: {escape(text)}{tail}"


def _value(value: object) -> str:
    text = escape(str(value))[:300]
    return f'"{text}"' if " " in text or not text else text


class ServiceLogger(logging.LoggerAdapter[logging.Logger]):
    """`log.info("what happened", pid=12)`: keywords are the fields."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        standard = {name: kwargs.pop(name) for name in ("exc_info", "stack_info", "stacklevel") if name in kwargs}
        fields = dict(kwargs)
        unknown = fields.keys() - FIELDS
        if unknown:
            raise ValueError(f"fields not in the allow-list of bus/logs.py: {', '.join(sorted(unknown))}")
        kwargs.clear()
        kwargs.update(standard, extra={"fields": fields})
        return msg, kwargs


def open_log(service: str) -> ServiceLogger:
    """The service's logger, to standard error (supervisord keeps and rotates it)."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logger = logging.getLogger("wfmon")
    logger.setLevel(logging.INFO)
    return ServiceLogger(logger, {})
