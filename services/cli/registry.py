"""Every command of wfmon, on one page: its name, what it does, and the module that does it.

A module in `services/cli/commands/` has `add_arguments(parser)` and `run(args, home) -> int`. It is imported
only when its command is called, and imports what is dear (grpc, psutil, textual) only in `run`: `wfmon
--help` answers within 150 ms.
"""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """One word after `wfmon`."""

    name: str
    summary: str
    module: str


COMMANDS = (
    Command("up", "start the monitor and open its page", "up"),
    Command("down", "stop it", "down"),
    Command("status", "which services run and how they are", "status"),
    Command("open", "open the page in the browser", "open_page"),
    Command("url", "print an address that opens the page once", "url"),
    Command("top", "this machine live in the terminal", "top"),
    Command("watch", "print values as they come", "watch"),
    Command("query", "print recorded values", "query"),
    Command("requests", "what was asked of models, and why it was slow", "requests"),
    Command("energy", "joules and money by day and model", "energy"),
    Command("compare", "measure models side by side, and keep what came out", "compare"),
    Command("tap", "lead programs through the tap, test it, set its routes", "tap"),
    Command("settings", "list, change and undo settings", "settings"),
    Command("audit", "who changed what, and whether the record is whole", "audit"),
    Command("doctor", "look for what is wrong and say how to mend it", "doctor"),
)
