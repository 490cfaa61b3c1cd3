"""Writes docs/metrics.md and docs/settings.md from the catalogues: `python docs/generate.py`."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "proto")]

from bus.catalogue import catalogue  # noqa: E402
from bus.settings_catalogue import SettingSpec, settings_catalogue  # noqa: E402


def table(head: list[str], rows: list[list[str]]) -> str:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") or "–" for cell in cells) + " |"

    return "\n".join([line(head), "|" + "---|" * len(head), *map(line, rows)]) + "\n"


def metrics() -> str:
    rows = [
        [
            f"`{metric.name}`" + "".join(f"{{{label}}}" for label in metric.labels),
            metric.unit,
            metric.kind,
            metric.rate,
            metric.privacy,
            metric.meaning,
            f"`{metric.prometheus}`",
            f"`{metric.otel}`",
        ]
        for metric in catalogue().values()
    ]
    head = ["metric", "unit", "kind", "rate", "privacy class", "meaning", "OpenMetrics", "OpenTelemetry"]
    return "# Metrics\n\nMade from `bus/catalogue.toml` by `make docs`.\n\n" + table(head, rows)


def _range(spec: SettingSpec) -> str:
    if spec.choices:
        return ", ".join(spec.choices)
    ends = [f"{end:.15g}" for end in (spec.minimum, spec.maximum) if end is not None]
    return " to ".join(ends) if len(ends) == 2 else f"from {ends[0]}" if ends else ""


def settings() -> str:
    rows = [
        [
            f"`{key}`",
            str(spec.default).lower() if isinstance(spec.default, bool) else str(spec.default),
            spec.unit or "",
            _range(spec),
            spec.meaning,
            spec.live_effect,
            spec.target,
        ]
        for key, spec in settings_catalogue().items()
    ]
    head = ["key", "default", "unit", "range", "meaning", "when it changes live", "obeyed by"]
    return "# Settings\n\nMade from `bus/settings_catalogue.toml` by `make docs`.\n\n" + table(head, rows)


PAGES = {"metrics.md": metrics, "settings.md": settings}


def main() -> int:
    """Writes the pages; with --check only says whether they are current (exit code 1: not)."""
    stale = [
        name
        for name, page in PAGES.items()
        if not (ROOT / "docs" / name).exists() or (ROOT / "docs" / name).read_text(encoding="utf-8") != page()
    ]
    if "--check" in sys.argv[1:]:
        if stale:
            print("not what the catalogues give (run `make docs`):", *stale)
        return 1 if stale else 0
    for name, page in PAGES.items():
        (ROOT / "docs" / name).write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
