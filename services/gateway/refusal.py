"""One shape for every "no" of the doors: what was refused, why, and what to do about it."""

from dataclasses import dataclass

from bus.settings_mirror import SettingsMirror


@dataclass(frozen=True, slots=True)
class Refusal(Exception):
    """An HTTP status with the three sentences of a good error; also raised by handlers."""

    status: int
    what: str
    why: str
    mend: str

    def body(self) -> dict[str, dict[str, str]]:
        """The JSON that every refused request gets."""
        return {"error": {"what": self.what, "why": self.why, "mend": self.mend}}

    def __str__(self) -> str:
        return f"{self.what}: {self.why} {self.mend}".strip()


def must_be_on(settings: SettingsMirror, key: str) -> None:
    """Raises Refusal 403 where the switch `key` is off."""
    if not settings.flag(key):
        raise Refusal(403, key, "this setting is off.", "Turn it on in the page or with `wfmon settings`.")
