"""Topics of the event plane: ASCII, versioned, and ending in `/` so that `gpu:1` never receives `gpu:10`.

A subscription is a prefix: `sample("gpu:1")`, or `SAMPLES` for all of them.
"""

from typing import NamedTuple
from urllib.parse import quote, unquote

SAMPLES = "1/sample/"
WINDOWS = "1/window/"
LIVE = "1/live/"
PROCESSES = "1/process/system/"
EVENTS = "1/event/"
TOKENS = "1/token/"
REQUESTS = "1/request/"
REQUEST_COSTS = "1/request-cost/"
HEALTHS = "1/health/"
CONTROLS = "1/control/"
CONTROL_RESULTS = "1/control-result/"
AUDITS = "1/audit/"
# Who subscribes asks that rows come on their tick and not on the beat (bus/outbox.py).
PROMPT = "1/prompt/"


def _name(text: str) -> str:
    if not text:
        raise ValueError("a topic's name may not be empty")
    return quote(text, safe=":.-_")


def sample(source: str) -> str:
    return f"{SAMPLES}{_name(source)}/"


def window(window: str, metric: str, stat: str) -> str:
    """The standing query for one statistic of one metric, over all its sources and labels."""
    return f"{WINDOWS}{_name(window)}/{_name(f'{metric}.{stat}')}/"


class WindowTopic(NamedTuple):
    window: str
    metric: str
    stat: str


def parse_window(topic: str) -> WindowTopic:
    """The query behind a window topic; raises ValueError where it is none."""
    parts = topic.split("/")
    if len(parts) != 5 or not topic.startswith(WINDOWS) or parts[4]:
        raise ValueError(f"not a window topic: {topic!r}; the shape is 1/window/<window>/<metric>.<stat>/")
    metric, dot, stat = unquote(parts[3]).rpartition(".")
    if not dot or not metric or not stat:
        raise ValueError(f"no statistic in {topic!r}; the shape is 1/window/<window>/<metric>.<stat>/")
    return WindowTopic(unquote(parts[2]), metric, stat)


def token(model: str) -> str:
    return f"{TOKENS}{_name(model)}/"


def request(model: str) -> str:
    return f"{REQUESTS}{_name(model)}/"


def request_cost(model: str) -> str:
    return f"{REQUEST_COSTS}{_name(model)}/"


def event(kind: str) -> str:
    return f"{EVENTS}{_name(kind)}/"


def health(service: str) -> str:
    return f"{HEALTHS}{_name(service)}/"


def control(target: str) -> str:
    return f"{CONTROLS}{_name(target)}/"


def control_result(target: str) -> str:
    return f"{CONTROL_RESULTS}{_name(target)}/"


def audit(service: str) -> str:
    return f"{AUDITS}{_name(service)}/"
