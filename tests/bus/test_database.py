"""One SQLite file, one thread: what it does when the file is broken or the disk is full."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import peewee
import pytest

from bus.ballast import Ballast
from bus.database import Database, DatabaseReplaced, DiskFull

ROOT = Path(__file__).resolve().parents[2]


class Row(peewee.Model):
    number = peewee.IntegerField(primary_key=True)
    data = peewee.BlobField()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def open_rows(folder: Path, **options: object) -> Database:
    return Database(folder / "rows.db", quarantine=folder / "quarantine", models=[Row], **options)  # type: ignore[arg-type]


def put(number: int, size_bytes: int = 10) -> object:
    return lambda _: Row.insert(number=number, data=os.urandom(size_bytes)).execute()


def count(_: object) -> int:
    return int(Row.select().count())


async def test_run_commits_and_all_work_is_on_one_thread(folder: Path) -> None:
    with open_rows(folder) as db:
        names = await asyncio.gather(*(db.run(lambda _: threading.current_thread().name) for _ in range(5)))
        await db.run(put(1))
        assert set(names) == {"sqlite-rows_0"}
    with open_rows(folder) as db:
        assert await db.run(count) == 1
        assert db.quarantined is None


async def test_what_raises_is_rolled_back_and_reaches_the_caller(folder: Path) -> None:
    def fails(_: object) -> None:
        Row.create(number=1, data=b"")
        raise LookupError("on purpose")

    with open_rows(folder) as db:
        with pytest.raises(LookupError, match="on purpose"):
            await db.run(fails)
        assert await db.run(count) == 0


@pytest.mark.parametrize(("level", "number"), [("NORMAL", 1), ("FULL", 2)])
async def test_journals_may_ask_for_full_synchronous(folder: Path, level: str, number: int) -> None:
    with open_rows(folder, synchronous=level) as db:
        assert await db.read(lambda d: d.execute_sql("PRAGMA synchronous").fetchone()[0]) == number
        assert await db.read(lambda d: d.execute_sql("PRAGMA journal_mode").fetchone()[0]) == "wal"


def test_files_are_readable_by_their_owner_only(folder: Path) -> None:
    with open_rows(folder) as db:
        db.run_sync(put(1))
        for suffix in ("", "-wal", "-shm"):
            assert Path(f"{db.path}{suffix}").stat().st_mode & 0o777 == 0o600


def damage_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"not SQLite")


def damage_page(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(4096))


def cut_short(path: Path) -> None:
    os.truncate(path, 3 * 4096 + 100)


def rubbish(path: Path) -> None:
    path.write_bytes(os.urandom(50_000))


@pytest.mark.parametrize("damage", [damage_header, damage_page, cut_short, rubbish])
def test_broken_file_goes_to_quarantine_and_a_fresh_one_starts(folder: Path, damage: object) -> None:
    with open_rows(folder) as db:
        for number in range(20):
            db.run_sync(put(number, 3000))
    damage(db.path)  # type: ignore[operator]
    Path(f"{db.path}-wal").write_bytes(b"left over")
    started = time.monotonic()
    with open_rows(folder) as db:
        assert time.monotonic() - started < 5
        assert db.quarantined is not None
        assert "rows.db could not be used" in db.quarantined.reason
        assert db.quarantined.path.parent == folder / "quarantine"
        assert db.quarantined.path.exists()
        assert db.run_sync(count) == 0
        db.run_sync(put(1))
        assert db.run_sync(count) == 1


def test_a_file_of_another_layout_is_put_away_and_one_of_the_same_is_kept(folder: Path) -> None:
    with open_rows(folder, layout=3) as db:
        db.run_sync(put(1))
    with open_rows(folder, layout=3) as db:
        assert db.run_sync(count) == 1
    with open_rows(folder, layout=4) as db:
        assert db.run_sync(count) == 0
        assert db.quarantined is not None
        assert "layout 3, this version reads 4" in db.quarantined.reason
    assert sqlite3.connect(db.quarantined.path).execute("SELECT COUNT(*) FROM row").fetchone() == (1,)


def test_rubbish_wal_loses_nothing_that_was_checkpointed(folder: Path) -> None:
    with open_rows(folder) as db:
        db.run_sync(put(1))
    Path(f"{db.path}-wal").write_bytes(os.urandom(9000))
    with open_rows(folder) as db:
        assert db.run_sync(count) == 1
        assert db.quarantined is None


def test_file_broken_while_in_use_is_replaced_and_the_caller_told(folder: Path) -> None:
    with open_rows(folder, pragmas={"cache_size": 1}) as db:
        for number in range(200):
            db.run_sync(put(number, 3000))
        db.read_sync(lambda d: d.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
        with db.path.open("r+b") as file:
            file.seek(4096)
            file.write(os.urandom(190 * 4096))
        with pytest.raises(DatabaseReplaced) as raised:
            db.run_sync(lambda _: [row.data for row in Row.select()])
        assert raised.value.quarantined.path.exists()
        assert db.run_sync(count) == 0


def test_a_path_that_is_a_folder_is_an_error_that_names_it(folder: Path) -> None:
    (folder / "rows.db").mkdir()
    with pytest.raises(OSError, match=r"rows\.db"):
        open_rows(folder)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB where this user may mount one."""
    where = tmp_path / "disk"
    where.mkdir()
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("mounting a small file system needs root on Linux")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(where)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.decode()}")
    yield where
    subprocess.run(["umount", str(where)], check=True)


def fill(db: Database) -> int:
    """The number of the last row that found room."""
    number = 0
    try:
        while True:
            db.run_sync(put(number + 1, 100_000))
            number += 1
    except DiskFull:
        return number


def test_full_disk_is_an_error_to_retry_and_work_goes_on_when_there_is_room(small_disk: Path) -> None:
    with open_rows(small_disk) as db:
        db.run_sync(put(0))
        (small_disk / "filler").write_bytes(bytes(2_000_000))
        number = fill(db)
        assert number < 12
        with pytest.raises(DiskFull, match="Free some space"):
            db.run_sync(put(number + 1, 100_000))
        assert db.run_sync(count) == number + 1
        (small_disk / "filler").unlink()
        db.run_sync(put(number + 1, 100_000))
        assert db.run_sync(count) == number + 2
        assert db.full_errors >= 2


def test_ballast_is_released_on_a_full_disk_and_taken_back_later(small_disk: Path) -> None:
    ballast = Ballast(small_disk / "ballast", 300_000)
    (small_disk / "filler").write_bytes(bytes(1_000_000))
    assert not ballast.restore()  # too little to spare beside it
    (small_disk / "filler").unlink()
    # A small ballast still leaves the large reserve free; a test disk has no room for that.
    handle = os.open(ballast.path, os.O_CREAT | os.O_WRONLY)
    os.posix_fallocate(handle, 0, 300_000)
    os.close(handle)
    with open_rows(small_disk, ballast=ballast) as db:
        number = 0
        while ballast.held:
            number += 1
            db.run_sync(put(number, 50_000))
        assert db.full_errors == 1
        assert db.run_sync(count) == number


def test_ballast_takes_real_blocks(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path / "ballast")
    assert ballast.restore()
    assert ballast.path.stat().st_blocks * 512 >= ballast.size_bytes
    assert ballast.path.stat().st_mode & 0o777 == 0o600
    assert ballast.release()
    assert not ballast.release()


def test_file_size_limit_is_a_full_disk(tmp_path: Path) -> None:
    """RLIMIT_FSIZE (a quota looks the same): works where no file system can be mounted."""
    script = textwrap.dedent(
        """
        import resource, signal, sys
        from pathlib import Path
        import peewee
        from bus.database import Database, DiskFull
        class Row(peewee.Model):
            data = peewee.BlobField()
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        folder = Path(sys.argv[1])
        db = Database(folder / "rows.db", quarantine=folder / "q", models=[Row])
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
        try:
            while True:
                db.run_sync(lambda _: Row.create(data=bytes(20_000)))
        except DiskFull:
            before = db.run_sync(lambda _: Row.select().count())
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        db.run_sync(lambda _: Row.create(data=bytes(20_000)))
        assert db.run_sync(lambda _: Row.select().count()) == before + 1
        db.close()
        print("recovered", before)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert done.stdout.startswith("recovered"), done.stderr
    assert sqlite3.connect(tmp_path / "rows.db").execute("PRAGMA integrity_check").fetchone() == ("ok",)


KILLED = """
import sys
from pathlib import Path
import peewee
from bus.database import Database
class Row(peewee.Model):
    number = peewee.IntegerField(primary_key=True)
    data = peewee.BlobField()
folder = Path(sys.argv[1])
db = Database(folder / "rows.db", quarantine=folder / "quarantine", models=[Row])
number = db.run_sync(lambda _: Row.select().count())
while True:
    db.run_sync(lambda _: [Row.create(number=number + k, data=bytes(5000)) for k in range(10)])
    number += 10
    print(number, flush=True)
"""


def test_kill_9_at_random_points_keeps_whole_transactions(tmp_path: Path) -> None:
    for seconds in (0.02, 0.05, 0.11, 0.17, 0.23):
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert child.stdout is not None
        said = int(child.stdout.readline())
        timer = threading.Timer(seconds, child.kill)
        timer.start()
        for line in child.stdout:
            said = int(line)
        child.wait()
        with open_rows(tmp_path) as db:
            kept = db.run_sync(count)
            assert db.quarantined is None
            assert kept >= said
            assert kept % 10 == 0
