"""docs/runtimes.md names every runtime, its ports and the settings, as they are."""

from __future__ import annotations

from pathlib import Path

from bus.settings_catalogue import settings_catalogue
from services.collector.samplers.runtime import RUNTIMES

ROOT = Path(__file__).parents[3]
DOCS = (ROOT / "docs/runtimes.md").read_text()


def test_every_runtime_stands_in_the_table_with_its_ports() -> None:
    rows = [line.lower() for line in DOCS.splitlines() if line.startswith("| ")]
    known = {"lm-studio": "lm studio", "tgi": "text-generation-inference"}
    for kind, ports in RUNTIMES:
        (row,) = (row for row in rows if row.startswith(f"| {known.get(kind.name, kind.name)} "))
        assert row.split("|")[2].strip() == ", ".join(map(str, ports))


def test_settings_that_need_an_explanation_have_one() -> None:
    ours = {key for key in settings_catalogue() if key.startswith("collector.sampler.runtime.")}
    named = {key for key in ours if f"`{key}`" in DOCS}
    assert named == ours - {"collector.sampler.runtime.enabled", "collector.sampler.runtime.every_s"}


def test_every_path_that_the_code_asks_is_said() -> None:
    asked = set()
    for file in (ROOT / "services/collector/samplers/runtime").glob("*.py"):
        for line in file.read_text().splitlines():
            for call in ('door.get("', 'door.get(f"', 'door.json("', 'door.json(f"', 'proof = "'):
                if call in line:
                    asked.add(line.split(call)[1].split('"')[0].split("{")[0].split("?")[0])
    asked -= {"/model_info", "/health/liveliness"}  # to know them by; said as harmless questions
    assert {path for path in asked if f"`{path}`" not in DOCS} == set()
