"""The person's own targets for a request, and whether it met them (CONTRACTS §1, goodput). Absent is never compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # the command line reads this too, and is not to wait for gRPC
    from google.protobuf.message import Message
    from wfmonitor.v1.request_pb2 import RequestRecord

    from bus.settings_mirror import SettingsMirror


class Targets(NamedTuple):
    """In ms; None: no target."""

    ttft_ms: float | None = None
    tpot_ms: float | None = None

    @property
    def any(self) -> bool:
        """Whether there is a target at all."""
        return self.ttft_ms is not None or self.tpot_ms is not None

    def missed(self, record: RequestRecord) -> frozenset[str]:
        """Return which of "ttft_ms" and "tpot_ms" a request was over."""
        return frozenset(
            name
            for name, target in self._asdict().items()
            if target is not None and (told := _told(record, name)) is not None and told > target
        )

    def met(self, record: RequestRecord) -> bool | None:
        """Return whether a request met all targets. One that failed did not.

        None: it cannot be said. It is under way, its client left, or it has not what a target is of: an answer that
        was not streamed has no first token, one of a single token no time per token.
        """
        if not self.any or not record.HasField("e2e_ms") or record.finish_reason == "abort":
            return None
        if record.finish_reason == "error" or record.error or self.missed(record):
            return False
        wanted = [name for name, target in self._asdict().items() if target is not None]
        return True if all(_told(record, name) is not None for name in wanted) else None


def _told(record: Message, name: str) -> float | None:
    return getattr(record, name) if record.HasField(name) else None


def targets_of(settings: SettingsMirror) -> Targets:
    """Return the targets that are set."""
    return Targets(*(settings.number(f"targets.{name}") or None for name in Targets._fields))
