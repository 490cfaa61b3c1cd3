"""Where model runtimes listen: the ports a person named, and those the collector found, as others hear of them.

What was found stands in the counters of the collector's Health, `runtime_at:PORT` = 1: said each second, so that a
service that starts later knows it too.
"""

from __future__ import annotations

from collections.abc import Iterable

SETTING = "collector.sampler.runtime.ports"
_COUNTER = "runtime_at:"


def named_ports(text: str) -> list[int]:
    """Return the ports of the setting's text; what is no port is left out.

    >>> named_ports("8081, 9000 x 70000")
    [8081, 9000]
    """
    return [int(word) for word in text.replace(",", " ").split() if word.isdecimal() and 0 < int(word) < 65536]


def counter_of(port: int) -> str:
    """Return the counter's name that says a runtime listens at a port."""
    return f"{_COUNTER}{port}"


def found_ports(counters: Iterable[str]) -> tuple[int, ...]:
    """Return the ports that a Health's counters say, ascending.

    >>> found_ports({"runtime_at:8081": 1.0, "failures_total": 0.0})
    (8081,)
    """
    told = (name.removeprefix(_COUNTER) for name in counters if name.startswith(_COUNTER))
    return tuple(sorted(named_ports(" ".join(told))))
