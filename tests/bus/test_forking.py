"""A service that is forked is as one that is exec'd: the same small program, started both ways, tells the same."""

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path

import pytest

from bus.forking import PRELOADED
from bus.home import REPOSITORY

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="no Linux: elsewhere supervisord always execs")

# What supervisord does around it: a fork in a process that has handlers of its own, then fork or exec of the program.
STARTER = """
import json, os, signal, sys
from bus.forking import Preloaded, fork
how, folder, environment, argv = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), sys.argv[4:]
ready = Preloaded({"PYTHONPATH": folder, "PYTHONUNBUFFERED": "1", "MALLOC_ARENA_MAX": "2"})
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR2):
    signal.signal(number, lambda *_: None)
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
pid = fork()
if pid == 0:
    os.chdir(folder)
    env = {**os.environ, **environment}
    if how == "fork":
        if not ready.can_run(argv[0], argv, env):
            os._exit(99)
        ready.run(argv, env)
    os.execve(argv[0], argv, env)
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status) % 256)
"""


def start(how: str, folder: Path, program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Start `program` as `python -m services.said one two`; 99 where a fork is refused."""
    (folder / "services" / "said").mkdir(parents=True, exist_ok=True)
    (folder / "services" / "said" / "__main__.py").write_text(textwrap.dedent(program))
    argv = [sys.executable, "-m", "services.said", "one", "two"]
    return subprocess.run(
        [sys.executable, "-c", STARTER, how, str(folder), json.dumps(environment), *argv],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY}/proto"},
        input="a word\nanother\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


TELLS_ALL = """
    import json, os, random, signal, sys
    status = open("/proc/self/status").read()
    with open("/proc/self/cmdline") as file:
        shown = file.read().rstrip("\\0").split("\\0")
    print(json.dumps({
        "name": __name__,
        "main": sys.modules["__main__"].__dict__ is globals(),
        "argv": sys.argv,
        "orig_argv": sys.orig_argv,
        "shown": shown,
        "comm": open("/proc/self/comm").read(),
        "cwd": os.getcwd(),
        "path": sys.path,
        "environment": dict(os.environ),
        "handlers": {number.name: str(signal.getsignal(number)) for number in signal.Signals},
        "ignored": [line for line in status.splitlines() if line.startswith(("SigIgn", "SigBlk", "Umask"))],
        "ours": sorted(name for name in sys.modules if name.split(".")[0] in ("bus", "services", "wfmonitor")),
        "streams": [[s.encoding, s.errors, s.line_buffering] for s in (sys.stdin, sys.stdout, sys.stderr)],
        "heard": sys.stdin.read(),
    }))
"""


def test_what_a_program_can_see_is_the_same(tmp_path: Path) -> None:
    answers = [start(how, tmp_path, TELLS_ALL, SUPERVISOR_PROCESS_NAME="said") for how in ("exec", "fork")]
    executed, forked = (json.loads(answer.stdout) for answer in answers)
    for one in (executed, forked):
        one["handlers"] = {name: re.sub(" at 0x[0-9a-f]+", "", text) for name, text in one["handlers"].items()}
    assert forked == executed


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("pass", 0),
        ("import sys; sys.exit()", 0),
        ("import sys; sys.exit(78)", 78),
        ("import sys; sys.exit('no such home')", 1),
        ("raise ValueError('no such home')", 1),
        ("import os; os._exit(5)", 5),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM % 256),
        ("import os, signal; os.kill(os.getpid(), signal.SIGINT); signal.pause()", -signal.SIGINT % 256),
        ("import sys, atexit; atexit.register(print, 'last'); print('first')", 0),
        ("import sys, threading, time\nthreading.Thread(target=lambda: (time.sleep(0.1), print('late'))).start()", 0),
    ],
)
def test_ends_are_the_same(tmp_path: Path, program: str, code: int) -> None:
    executed, forked = (start(how, tmp_path, program) for how in ("exec", "fork"))
    assert executed.returncode == code, executed.stderr
    assert forked.returncode == code, forked.stderr
    assert forked.stdout == executed.stdout
    # The frames above the program differ; what went wrong, and where in it, does not.
    assert forked.stderr.splitlines()[-1:] == executed.stderr.splitlines()[-1:]


def test_libraries_are_there_before_the_program_and_nothing_of_ours(tmp_path: Path) -> None:
    program = "import sys; print(*sys.modules)"
    loaded = start("fork", tmp_path, program).stdout.split()
    assert set(PRELOADED) <= set(loaded)
    assert not {name for name in loaded if name.split(".")[0] in ("bus", "wfmonitor", "numpy")}


def test_no_thread_and_no_open_file_is_shared() -> None:
    program = """
import os
before = set(os.listdir("/proc/self/fd"))
from bus.forking import Preloaded
Preloaded({})
print(len(os.listdir("/proc/self/task")), set(os.listdir("/proc/self/fd")) - before)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert said.stdout == "1 set()\n"


def test_another_environment_for_the_interpreter_is_not_forked(tmp_path: Path) -> None:
    assert start("fork", tmp_path, "pass", PYTHONHASHSEED="7").returncode == 99
    assert start("fork", tmp_path, "pass", GRPC_VERBOSITY="DEBUG").returncode == 99


def test_a_library_that_has_changed_on_disk_is_not_forked(tmp_path: Path) -> None:
    program = """
import os, sys
from pathlib import Path
from bus import forking
sys.path.insert(0, sys.argv[1])
forking.PRELOADED = ("a_library",)
ready = forking.Preloaded({})
argv = [sys.executable, "-m", "services.said"]
print(ready.can_run(sys.executable, argv, dict(os.environ)))
os.utime(Path(sys.argv[1]) / "a_library.py", (1, 1))
print(ready.can_run(sys.executable, argv, dict(os.environ)))
"""
    (tmp_path / "a_library.py").write_text("")
    said = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, cwd=REPOSITORY, check=True
    )
    assert said.stdout == "True\nFalse\n"


def test_streams_that_were_closed_at_the_start_of_supervisord_are_opened_anew() -> None:
    program = """
import sys
from bus import forking
sys.stdin = sys.stdout = sys.stderr = None
forking._open_streams()
print(sys.stdin.read(), "heard")
print("told", file=sys.stderr)
"""
    said = subprocess.run(
        [sys.executable, "-c", program], input="a word", capture_output=True, text=True, cwd=REPOSITORY, check=True
    )
    assert (said.stdout, said.stderr) == ("a word heard\n", "told\n")


def test_library_of_our_own_python_path_is_none_of_the_services(tmp_path: Path) -> None:
    (tmp_path / "peewee.py").write_text("raise SystemExit('foreign')")
    gone = tmp_path / "gone"
    gone.mkdir()
    program = """
import os, sys
from bus import forking
os.rmdir(os.getcwd())  # nor does a folder that is removed under us hold it up
before = sys.path[:]
site_packages = next(path for path in sys.path if path.endswith("site-packages"))
forking.Preloaded({"PYTHONPATH": site_packages})
print("site-packages" in sys.modules["peewee"].__file__, sys.path == before)
"""
    # As installed: site-packages is the services' PYTHONPATH, and so stands in ours.
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{REPOSITORY}:{sysconfig.get_path('purelib')}"}
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=gone, env=environment, check=True
    )
    assert said.stdout == "True True\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_in_the_first_moment_of_a_fork_is_not_lost(number: signal.Signals) -> None:
    program = f"""
import os, signal, sys
from bus.forking import fork
signal.signal({number:d}, lambda *_: print("taken by the handler of supervisord", flush=True))
pid = fork()
if pid == 0:
    os.kill(os.getpid(), {number:d})
    os._exit(0)
sys.exit(-os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=REPOSITORY, check=False)
    assert (said.stdout, said.returncode) == ("", number)
