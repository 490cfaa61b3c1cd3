"""The settings a service obeys: a copy of governance's, kept fresh.

Governance is the owner. A service loads all at its start, applies each ControlChange and answers with a
ControlResult; when governance's journal head (in its Health) is not the one loaded, it loads all again, so
that a lost message heals within a second.
"""

import json
from collections.abc import Callable

import grpc
from wfmonitor.v1.control_pb2 import ControlChange, ControlResult
from wfmonitor.v1.settings_service_pb2 import ListSettingsRequest
from wfmonitor.v1.settings_service_pb2_grpc import SettingsServiceStub

Value = bool | int | float | str
OnChange = Callable[[str, Value], None]


class SettingRefused(Exception):
    """A target cannot obey a value; the text is shown to who changed it."""


class SettingsMirror:
    """`settings["collector.rate.resource_hz"]`; raises KeyError for a key governance does not know."""

    def __init__(self) -> None:
        self._values: dict[str, Value] = {}
        self._targets: dict[str, str] = {}
        self._handlers: list[tuple[str, OnChange]] = []
        self.head = (0, 0)

    def __getitem__(self, key: str) -> Value:
        return self._values[key]

    def flag(self, key: str) -> bool:
        value = self._values[key]
        if not isinstance(value, bool):
            raise TypeError(f"setting {key} is not a switch: {value!r}")
        return value

    def number(self, key: str) -> float:
        value = self._values[key]
        if isinstance(value, bool | str):
            raise TypeError(f"setting {key} is not a number: {value!r}")
        return float(value)

    def text(self, key: str) -> str:
        value = self._values[key]
        if not isinstance(value, str):
            raise TypeError(f"setting {key} is not a text: {value!r}")
        return value

    def on_change(self, prefix: str, callback: OnChange) -> None:
        """Calls `callback(key, value)` for each later change below `prefix`; it may raise SettingRefused."""
        self._handlers.append((prefix, callback))

    async def load(self, channel: grpc.aio.Channel, timeout_s: float | None = None) -> None:
        """Takes governance's values, waiting for it; keys that changed reach their callbacks."""
        stub = SettingsServiceStub(channel)
        answer = await stub.ListSettings(ListSettingsRequest(), wait_for_ready=True, timeout=timeout_s)
        first = not self._values
        for setting in answer.settings:
            self._targets[setting.key] = setting.target
            value = json.loads(setting.value)
            if first:
                self._values[setting.key] = value
            elif self._values.get(setting.key) != value:
                self._set(setting.key, value)
        self.head = (answer.epoch, answer.seq)

    def apply(self, change: ControlChange, target: str) -> ControlResult:
        """Obeys one change and says what came of it. A refused value is not kept."""
        old = self._values.get(change.key)
        value = json.loads(change.value)
        reason = ""
        try:
            self._set(change.key, value)
        except SettingRefused as refusal:
            reason = str(refusal)
            if old is not None:
                self._values[change.key] = old
        return ControlResult(
            id=change.id,
            target=target,
            applied=not reason,
            old=json.dumps(old),
            new=json.dumps(value if not reason else old),
            reason=reason,
        )

    def _set(self, key: str, value: Value) -> None:
        self._values[key] = value
        for prefix, callback in self._handlers:
            if key.startswith(prefix):
                callback(key, value)
