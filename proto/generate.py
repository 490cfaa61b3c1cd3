"""Writes the Python readers of the schemas beside them: `python proto/generate.py` (or `make proto`).

With `--check` nothing is written; the exit code is 1 where the committed files are not what the
sources give.
"""

import filecmp
import sys
import tempfile
from pathlib import Path

import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent
SOURCES = sorted(ROOT.glob("wfmonitor/v1/*.proto"))
GENERATED = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi")


def generate(into: Path) -> None:
    """Runs protoc over all schemas; raises SystemExit where it refuses one."""
    plugins = Path(sys.executable).parent
    code = protoc.main(
        [
            "protoc",
            f"-I{ROOT}",
            f"-I{Path(grpc_tools.__file__).parent / '_proto'}",
            f"--plugin=protoc-gen-mypy={plugins / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={plugins / 'protoc-gen-mypy_grpc'}",
            f"--python_out={into}",
            f"--mypy_out=quiet:{into}",
            *[str(source) for source in SOURCES],
        ]
    )
    services = [str(source) for source in SOURCES if source.stem.endswith("_service")]
    code = code or protoc.main(
        [
            "protoc",
            f"-I{ROOT}",
            f"--plugin=protoc-gen-mypy_grpc={plugins / 'protoc-gen-mypy_grpc'}",
            f"--grpc_python_out={into}",
            f"--mypy_grpc_out=quiet:{into}",
            *services,
        ]
    )
    if code:
        raise SystemExit(f"protoc refused a schema in {ROOT} (exit code {code}); its own message stands above")


def differences(fresh: Path) -> list[str]:
    names = {path.relative_to(fresh) for pattern in GENERATED for path in fresh.rglob(pattern)}
    names |= {path.relative_to(ROOT) for pattern in GENERATED for path in ROOT.rglob(pattern)}
    return [
        str(name)
        for name in sorted(names)
        if not (ROOT / name).is_file()
        or not (fresh / name).is_file()
        or not filecmp.cmp(ROOT / name, fresh / name, shallow=False)
    ]


def main() -> int:
    if "--check" not in sys.argv[1:]:
        generate(ROOT)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        stale = differences(Path(folder))
    if stale:
        print("not what the schemas give (run `make proto`):", *stale, sep="\n  ")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
