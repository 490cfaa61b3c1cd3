"""docs/samplers.md: its example is run, not only read."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from bus.catalogue import Catalogue
from services.collector.assembly import Assembly
from services.collector.guard import Guard
from services.collector.sampler import GROUPS, Machine
from services.collector.samplers import ENTRY_POINTS
from tests.bus.test_catalogue import document

DOCS = Path(__file__).parent.parent.parent / "docs/samplers.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCS.read_text(), re.DOTALL)


def test_example_is_a_sampler_of_at_most_ten_lines_and_reads(tmp_path: Path) -> None:
    example, test = blocks("python")
    body = [line for line in example.splitlines() if line.strip() and "import" not in line]
    assert len(body) <= 10
    rooms: dict[str, Any] = {"Machine": Machine}
    exec(example + test, rooms)  # noqa: S102 (it is what the reader will run)
    rooms["test_open_files"](tmp_path)
    sampler = rooms["OpenFiles"](Machine())
    assert sampler.group in GROUPS
    (row,) = Assembly([Guard(sampler, lambda text, name, error: None)]).rows(1.0)
    assert row.values[0] > 0


def test_entry_of_the_example_fits_the_catalogue() -> None:
    entry, points = blocks("toml")
    whole = document()
    whole["metric"] |= tomllib.loads(entry)["metric"]
    assert Catalogue(whole)["system.open_files"].unit == "files"
    assert ENTRY_POINTS in tomllib.loads(points)["project"]["entry-points"]
