"""Recorded machines: folders of /proc and /sys text, copied so that a test can let time go on in them."""

from __future__ import annotations

import shutil
from pathlib import Path

from services.collector.sampler import Machine, Sampler

FIXTURES = Path(__file__).parent / "fixtures"


class Recorded:
    """A copy of one recorded machine."""

    def __init__(self, name: str, folder: Path) -> None:
        shutil.copytree(FIXTURES / name, folder / name)
        self.root = folder / name
        self.machine = Machine(proc=self.root / "proc", sys=self.root / "sys", dev=self.root / "dev")

    def write(self, path: str, text: str) -> None:
        """Sets a file; open descriptors see the new text, as they do in /proc."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def change(self, path: str, old: str, new: str) -> None:
        """Replaces one piece of a file."""
        text = (self.root / path).read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
        self.write(path, text.replace(old, new))


def read(sampler: Sampler, now_s: float) -> dict[str, float]:
    """`{"system.disk.read_bytes_s[device=sda]": 1.0}`; checks that columns and values agree."""
    values = sampler.read(now_s)
    columns = sampler.columns()
    assert len(values) == len(columns) == len(set(columns))
    return {str(series).partition("@")[0]: value for series, value in zip(columns, values, strict=True)}
