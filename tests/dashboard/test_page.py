"""The page's own tests and checks, which run under Node; the page itself needs none of it."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from demo.__main__ import MODELS

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = ROOT / "dashboard"
NODE = shutil.which("node")


def test_units_pass_under_node() -> None:
    if NODE is None and not os.environ.get("CI"):
        pytest.skip("node is not installed; the page's units run where it is (18 or newer)")
    assert NODE, "install nodejs: the page's units run under `node --test`"
    done = subprocess.run(
        [NODE, "--test", *sorted(map(str, Path(__file__).parent.glob("*.test.js")))],
        cwd=ROOT,
        env={**os.environ, "PYTHON": sys.executable, "TZ": "UTC"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]


def test_vendored_files_are_what_the_manifest_says() -> None:
    folder = DASHBOARD / "vendor"
    lines = (folder / "MANIFEST.sha256").read_text().splitlines()
    said = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    found = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "MANIFEST.sha256"
    }
    assert found == said
    for project in {name.split("/")[0] for name in said}:
        assert (folder / project / "LICENSE").is_file()


def test_page_holds_nothing_that_its_csp_forbids() -> None:
    html = (DASHBOARD / "index.html").read_text()
    assert " style=" not in html
    assert "onclick" not in html
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert "https://" not in html
    own = [path for path in DASHBOARD.rglob("*.js") if not {"node_modules", "vendor", "gen"} & set(path.parts)]
    for path in own:
        text = path.read_text()
        for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
            assert forbidden not in text, f"{path.name}: {forbidden}"
        assert len(text.splitlines()) < 300, f"{path.name} has {len(text.splitlines())} lines"


def test_page_names_the_models_of_the_demo() -> None:
    words = (DASHBOARD / "panels/energy-words.js").read_text()
    named = words.partition("DEMO_MODELS = [")[2].partition("]")[0]
    assert tuple(name.strip(" '") for name in named.split(",")) == MODELS


@pytest.mark.skipif(NODE is None and not os.environ.get("CI"), reason="node is not installed")
def test_every_module_is_named_in_the_head() -> None:
    done = subprocess.run(
        [NODE or "node", "tools/preload.mjs", "--check"], cwd=DASHBOARD, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
