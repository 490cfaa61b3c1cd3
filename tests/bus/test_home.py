"""The home folder: what is refused, and how it says so."""

from pathlib import Path

import pytest

from bus.home import Config, Home, HomeError


def test_a_new_home_is_private(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    modes = {path.stat().st_mode & 0o777 for path in [home.root, *home.root.iterdir()]}
    assert modes == {0o700}


def test_a_home_open_to_others_is_refused_with_the_mend(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    home.run.chmod(0o755)
    with pytest.raises(HomeError, match=f"chmod 700 {home.run}"):
        home.prepare()


def test_a_home_that_cannot_be_made_names_the_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeError, match="--home DIR"):
        Home(tmp_path / "file" / "home").prepare()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("port_bas = 1", "did you mean `port_base`"),
        ('port_base = "9460"', "`port_base` must be int"),
        ("port_base = true", "`port_base` must be int"),
        ("port_base = 80", "1024 to 65531"),
        ('bus = "udp"', '"tcp" or "ipc"'),
        ("port_base = ", "Mend the file"),
        ("zzzzz = 1", "known keys: port_base, bus"),
    ],
)
def test_a_wrong_configuration_names_the_key_and_the_mend(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "wfmon.toml"
    path.write_text(text)
    with pytest.raises(HomeError, match=says) as error:
        Config.load(path)
    assert str(path) in str(error.value)


def test_a_saved_configuration_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "wfmon.toml"
    Config(port_base=20000, bus="ipc").save(path)
    assert Config.load(path) == Config(20000, "ipc")
    assert path.stat().st_mode & 0o777 == 0o600
