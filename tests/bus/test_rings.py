"""Where ring files lie."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bus.home import Home, HomeError
from bus.rings import ring_folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    memory = tmp_path / "memory"
    memory.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(memory))
    made = Home(tmp_path / "home")
    made.prepare()
    return made


def test_all_services_that_start_at_once_share_one_private_folder(home: Home) -> None:
    with ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(lambda _: ring_folder(home), range(16)))
    (folder,) = folders
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (home.run / "rings").readlink() == folder


def test_it_stays_the_same_and_comes_back_after_a_reboot(home: Home) -> None:
    folder = ring_folder(home)
    (folder / "collector.ring").write_bytes(b"kept")
    assert ring_folder(home) == folder
    assert (folder / "collector.ring").read_bytes() == b"kept"
    (folder / "collector.ring").unlink()
    folder.rmdir()
    assert ring_folder(home) == folder


def test_a_home_made_anew_starts_without_the_rings_of_the_old_one(home: Home) -> None:
    old = ring_folder(home)
    (old / "collector.ring").write_bytes(b"of a home that was removed")
    (home.run / "rings").unlink()
    new = ring_folder(home)
    assert new != old
    assert list(new.iterdir()) == []
    assert not old.exists()


def test_a_folder_open_to_others_is_refused(home: Home) -> None:
    folder = ring_folder(home)
    folder.chmod(0o755)
    with pytest.raises(HomeError, match="not a private folder"):
        ring_folder(home)


def test_without_a_tmpfs_they_lie_in_the_home(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bus.rings._MEMORY_FOLDERS", ())
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/nonexistent")
    assert ring_folder(home) == home.run / "rings"
    assert os.path.isdir(home.run / "rings")
