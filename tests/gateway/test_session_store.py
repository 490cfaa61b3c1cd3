"""Sessions on disk: over restarts, in a broken file, on a full disk."""

from pathlib import Path

from bus.database import Database, DiskFull
from services.gateway.access import Keyring
from services.gateway.session_store import SessionRow, SessionStore


def opened(folder: Path) -> tuple[Database, SessionStore, list[str]]:
    told: list[str] = []
    database = Database(folder / "gateway.db", quarantine=folder / "quarantine", models=[SessionRow])
    return database, SessionStore(database, told.append), told


async def test_sessions_come_back_and_those_that_left_do_not(tmp_path: Path) -> None:
    keyring = Keyring("api")
    keyring.open_session(1)
    keyring.open_session(2)
    database, store, told = opened(tmp_path)
    await store.keep(keyring.sessions)
    await store.keep(keyring.sessions[1:])
    database.close()
    database, store, _ = opened(tmp_path)
    assert store.load() == keyring.sessions[1:]
    assert told == []
    database.close()


async def test_no_token_is_in_the_file(tmp_path: Path) -> None:
    keyring = Keyring("api")
    token, session = keyring.open_session(1)
    database, store, _ = opened(tmp_path)
    await store.keep(keyring.sessions)
    database.close()
    content = (tmp_path / "gateway.db").read_bytes()
    assert token.encode() not in content
    assert session.hash in content


def test_a_broken_file_is_put_aside_and_told(tmp_path: Path) -> None:
    (tmp_path / "gateway.db").write_bytes(b"this is no database" * 1000)
    database, store, told = opened(tmp_path)
    assert store.load() == []
    assert "kept as" in told[0]
    database.close()


async def test_a_full_disk_is_told_and_the_session_lives_on(tmp_path: Path) -> None:
    database, store, told = opened(tmp_path)

    async def full(_: object) -> None:
        raise DiskFull("gateway.db could not be written: disk full. Free some space.")

    database.run = full  # type: ignore[method-assign, assignment]
    await store.keep([])
    assert "Free some space" in told[0]
    database.close()
