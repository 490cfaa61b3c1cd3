"""Which model `wfmon tap test` asks where a person names none: one that is in memory and chats, if there is one."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from services.cli.errors import CliError
from services.cli.text import printable

if TYPE_CHECKING:
    from wfmonitor.v1.requests_service_pb2 import Route

_NAME_ONE = "name the model: wfmon tap test --model NAME"
_NO = 2


def choose(routes: Iterable[Route]) -> str:
    """Return the found model that costs least to ask and is the likeliest to answer. Raises CliError without one."""
    found = _by_name(routes)
    if not found:
        raise CliError(f"no runtime says which models it has; start one, or {_NAME_ONE}")
    chat = {name: route for name, route in found.items() if _doubt(route, "chats") < _NO}
    if not chat:
        raise CliError(f"none of the models that were found answers chats; {_NAME_ONE}")
    return min(chat, key=lambda name: (_doubt(chat[name], "loaded"), _doubt(chat[name], "chats")))


def is_away(routes: Iterable[Route], model: str) -> bool:
    """Whether the runtime that has a model says that it is not in memory."""
    route = _by_name(routes).get(model)
    return route is not None and _doubt(route, "loaded") == _NO


def _by_name(routes: Iterable[Route]) -> dict[str, Route]:
    """The models that were found; of one that two runtimes have, the first: there the tap leads."""
    found: dict[str, Route] = {}
    for route in routes:
        if route.found and route.prefix:
            found.setdefault(route.prefix, route)
    return found


def _doubt(route: Route, field: Literal["loaded", "chats"]) -> int:
    """How far it is from sure: 0 where the runtime says yes, 1 where it does not tell, 2 where it says no."""
    if not route.HasField(field):
        return 1
    return 0 if getattr(route, field) else _NO


def agree_to_load(model: str, *, agreed: bool) -> None:
    """Say that a model will be loaded, and have a person agree where there is one. Raises CliError without a yes."""
    name = printable(model)
    if agreed:
        print(f"{name} is not in memory; it is loaded first.")
        return
    what = f"no model that chats is in memory, and {name} would be loaded for this"
    if not sys.stdin.isatty():
        raise CliError(f"{what}; agree with --load, or {_NAME_ONE}")
    print(f"{what[0].upper()}{what[1:]}.")
    if input("Load it? [y/N] ").strip().lower() not in ("y", "yes"):
        raise CliError("nothing was loaded or asked")
