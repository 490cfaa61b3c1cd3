"""The walls of the house (docs/architecture.md): imports point one way, and what is generated or repeated agrees."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SERVICES = sorted(path.name for path in (ROOT / "services").iterdir() if (path / "__init__.py").exists())
LONGEST_FILE = 400
# What costs memory, and who may pay for it: memory is imports.
HEAVY = {
    "numpy": {"aggregator"},
    "pcodec": {"aggregator"},
    "aiohttp": {"gateway", "tap"},
    "textual": {"cli"},
    "rich": {"cli"},
    "opentelemetry": {"gateway"},
}
LEAN = ("forwarder", "listener")  # neither grpc nor peewee


def imports(path: Path) -> set[str]:
    """Modules a file imports anywhere, also late."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", sources("bus"), ids=lambda path: path.stem)
def test_the_bus_imports_no_service(path: Path) -> None:
    assert not {name for name in imports(path) if name.split(".")[0] in ("services", "dashboard", "tests")}


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_imports_another(service: str) -> None:
    for path in sources(f"services/{service}"):
        others = {name for name in imports(path) if name.startswith("services.")}
        foreign = {name for name in others if name.split(".")[1] != service}
        assert not foreign, f"{path.relative_to(ROOT)} imports {foreign}"


@pytest.mark.parametrize(("module", "allowed"), HEAVY.items())
def test_dear_modules_stay_where_they_are_needed(module: str, allowed: set[str]) -> None:
    for path in [*sources("services"), *sources("bus")]:
        if any(name.split(".")[0] == module for name in imports(path)):
            place = path.relative_to(ROOT)
            assert place.parts[0] == "services", place
            assert place.parts[1] in allowed, place


@pytest.mark.parametrize("service", LEAN)
def test_the_lean_services_import_neither_grpc_nor_peewee(service: str) -> None:
    seen: set[str] = set()
    waiting = [path.relative_to(ROOT) for path in sources(f"services/{service}")]
    while waiting:
        path = waiting.pop()
        for name in imports(ROOT / path):
            assert name.split(".")[0] not in ("grpc", "peewee", "numpy"), f"{path} imports {name}"
            own = Path(*name.split(".")).with_suffix(".py")
            if (ROOT / own).exists() and name not in seen:
                seen.add(name)
                waiting.append(own)


def test_every_service_has_its_one_entry() -> None:
    for service in SERVICES:
        entry = ROOT / "services" / service / "__main__.py"
        assert entry.exists(), entry
        assert len(entry.read_text().splitlines()) <= 200, f"{entry}: wiring only"


def test_files_have_one_subject_and_are_short() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for folder in ("bus", "services")
        for path in sources(folder)
        if (lines := len(path.read_text().splitlines())) > LONGEST_FILE
    }
    assert not long
