"""The OTLP port of loopback: open while `otlp.enabled` is on, closed again when it is switched off.

Nothing of OTLP is imported before it is switched on: its messages take 1.3 MB of PSS.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from bus.logs import ServiceLogger
from bus.settings_mirror import SettingsMirror
from services.gateway.access import Keyring
from services.gateway.doors import PortTaken, listen
from services.gateway.own_tables import OwnTables
from services.gateway.server import HttpDoor
from services.gateway.slow_clients import SlowClients

if TYPE_CHECKING:
    from services.gateway.otlp_api import OtlpApi

# A port that another program holds is tried again so often.
_AGAIN_S = 15.0
_OTHER_PORT = "set otlp.port to another, and send there"


class OtlpDoor:
    """Follows the settings `otlp.*`; `tell` gets what is wrong, or None when all is well again."""

    def __init__(
        self,
        settings: SettingsMirror,
        tables: OwnTables,
        keyring: Keyring,
        slow: SlowClients,
        log: ServiceLogger,
        tell: Callable[[str | None], None],
    ) -> None:
        self._settings = settings
        self._tables = tables
        self._keyring = keyring
        self._slow = slow
        self._log = log
        self._tell = tell
        self._api: OtlpApi | None = None
        self._door: HttpDoor | None = None
        self._port = 0
        self._changed = asyncio.Event()
        settings.on_change("otlp.", lambda _key, _value: self._changed.set())

    async def run(self) -> None:
        """Opens and closes as the settings say, for ever."""
        while True:
            self._changed.clear()
            waits_s = await self._follow()
            try:
                async with asyncio.timeout(waits_s):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _follow(self) -> float | None:
        """Brings the port to what is set; the seconds after which to try again, None: when a setting changes."""
        wanted = int(self._settings.number("otlp.port")) if self._settings.flag("otlp.enabled") else 0
        if wanted == self._port:
            return None
        await self.close()
        if not wanted:
            self._tell(None)
            return None
        try:
            socket = listen(wanted, _OTHER_PORT)
        except PortTaken as taken:
            self._tell(f"OTLP is switched on and cannot be received: {taken}")
            return _AGAIN_S
        door = HttpDoor(self._opened().app(), self._slow, unpacks=False)
        await door.serve(socket)
        self._door, self._port = door, wanted
        self._tell(None)
        self._log.info("OTLP is received", port=wanted)
        return None

    def _opened(self) -> OtlpApi:
        if self._api is None:
            from services.gateway.otlp_api import OtlpApi

            needs_token = lambda: self._settings.flag("otlp.require_token")  # noqa: E731
            self._api = OtlpApi(self._tables, self._keyring, self._slow, needs_token, self._log)
        return self._api

    def figures(self) -> Mapping[str, float]:
        """For Health; all 0 until it is switched on."""
        api = self._api
        return {
            "otlp_requests_total": api.requests_total if api else 0,
            "otlp_points_total": api.points_total if api else 0,
            "otlp_rejected_points_total": api.rejected_total if api else 0,
            "otlp_refused_total": api.refused_total if api else 0,
            "otlp_rank_error_max": api.rank_error_max if api else 0.0,
        }

    async def close(self) -> None:
        """Ends what runs, and gives the port back."""
        door, self._door, self._port = self._door, None, 0
        if door is not None:
            await door.close()
