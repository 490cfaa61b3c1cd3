"""The page's files: looked up, never joined."""

from pathlib import Path

import pytest

from services.gateway.static_map import StaticError, fresh, load


def page(folder: Path) -> Path:
    (folder / "workers").mkdir()
    (folder / "tests").mkdir()
    for name in ("index.html", "workers/stream.js", ".secret.js", "tests/x.js", "notes.md", "package.json", "a.css"):
        (folder / name).write_text(name)
    (folder / "link.js").symlink_to("/etc/passwd")
    return folder


def test_only_whole_files_of_known_types_are_served(tmp_path: Path) -> None:
    files = load(page(tmp_path))
    assert sorted(files) == ["/", "/a.css", "/index.html", "/workers/stream.js"]
    assert files["/"] is files["/index.html"]
    assert files["/workers/stream.js"].content_type == "text/javascript; charset=utf-8"


def test_a_folder_without_a_page_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StaticError, match=r"index\.html is missing\. Install"):
        load(tmp_path)


def test_the_browsers_copy_is_known_by_its_tag(tmp_path: Path) -> None:
    tag = load(page(tmp_path))["/"].etag
    assert fresh(tag, tag)
    assert fresh(f'"x", W/{tag}', tag)
    assert not fresh("", tag)
    assert not fresh('"x"', tag)
