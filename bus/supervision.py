"""The programs that supervisord runs, and the configuration it reads.

`supervisor.conf` in the root of a clone is this same text with `%(here)s` in place of the paths; a test
holds the two together.
"""

import contextlib
import os
import re
from pathlib import Path

from bus.home import REPOSITORY, Home, HomeError

# In the order of the data. Any start order works; none waits for another.
SERVICES = ("forwarder", "governance", "collector", "aggregator", "tap", "gateway")
LISTENER = "listener"
# What a value of supervisord's configuration cannot hold, however it is quoted: `"` and `\\` end or change the
# quotes of a command, a blank and `;` or `#` begin a comment, and the file is UTF-8.
_UNTELLABLE = re.compile(r'["\\\x00-\x1f\x7f\ud800-\udfff]|\s[;#]')

_HEAD = """\
; The programs of WIRTHFORGE Monitor. `supervisorctl -c {conf} status | restart collector | tail -f gateway`
[supervisord]
logfile={home}/log/supervisord.log
logfile_maxbytes=1MB
logfile_backups=1
pidfile={home}/run/supervisord.pid
childlogdir={home}/log
directory={root}
umask=077
; Two malloc arenas and one BLAS thread: memory of threads that would only wait.
environment=PYTHONPATH="{root_twice}:{root_twice}/proto",MALLOC_ARENA_MAX="2",OPENBLAS_NUM_THREADS="1",GRPC_VERBOSITY="ERROR",PYTHONUNBUFFERED="1"

[unix_http_server]
file={home}/run/supervisor.sock
chmod=0700

[supervisorctl]
serverurl=unix://{home}/run/supervisor.sock

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""

# startsecs=0: supervisord would count quick kills to FATAL and give up; the listener restarts instead, with
# a back-off that never ends (services/listener). Quotes: a path may hold blanks.
_PROGRAM = """
[program:{name}]
command="{python}" -m services.{name} --home "{home}"
startsecs=0
autorestart=false
stopwaitsecs=5
redirect_stderr=true
stdout_logfile={home_twice}/log/{name}.log
stdout_logfile_maxbytes=1MB
stdout_logfile_backups=2
"""

# Its standard output is its talk with supervisord, which nobody reads again.
_LISTENER = """
[eventlistener:{name}]
command="{python}" -m services.{name} --home "{home}"
events=PROCESS_STATE,TICK_5
buffer_size=100
startsecs=0
autorestart=true
stopwaitsecs=5
stdout_logfile=NONE
stderr_logfile={home_twice}/log/{name}.log
stderr_logfile_maxbytes=1MB
stderr_logfile_backups=2
"""

# Told to each service by bus.supervisord; a plain one leaves it out.
SUPERVISORD_PID = "SUPERVISOR_PID"
_INIT = 1


def supervisord_pid(home: Home) -> int | None:
    """Who watches over this process; None where nobody does. Its own word for it goes first: it may have been killed,
    and we given to another parent, before we could look.

    A plain supervisord gives no word. Where init is our parent, its pid file says whether it is init.
    """
    if "SUPERVISOR_ENABLED" not in os.environ:
        return None
    parent = os.getppid()
    told = os.environ.get(SUPERVISORD_PID, "")
    if not told and parent == _INIT:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            told = home.pid_file("supervisord").read_text(encoding="ascii").strip()
    return int(told) if told.isdecimal() else parent


def render(root: str, home: str, python: str, conf: str) -> str:
    """The configuration with these paths, which may hold supervisord's own `%(here)s`."""
    values = {"root": root, "home": home, "python": python, "conf": conf}
    # supervisord expands %(…)s in `environment` and in the logs of programs once more in what came out.
    values |= {"root_twice": root.replace("%%", "%%%%"), "home_twice": home.replace("%%", "%%%%")}
    programs = "".join(_PROGRAM.format(name=name, **values) for name in SERVICES)
    return _HEAD.format(**values) + programs + _LISTENER.format(name=LISTENER, **values)


def render_supervisor_conf(home: Home, python: str) -> str:
    """The configuration of `<home>/supervisor.conf`; `python` runs the services. Raises HomeError where a path cannot
    stand in it.
    """
    conf = home.root / "supervisor.conf"
    return render(_literal(REPOSITORY), _literal(home.root), _literal(python), _literal(conf))


def _literal(path: Path | str) -> str:
    if found := _UNTELLABLE.search(str(path)):
        raise HomeError(
            f"{str(path)!r} cannot stand in supervisord's configuration because of {found.group()!r}. "
            "Choose another folder; for the home: --home DIR."
        )
    return str(path).replace("%", "%%")  # supervisord expands %(…)s


def render_for_clone() -> str:
    """The configuration of `supervisor.conf` in the root of a clone."""
    return render("%(here)s", "%(here)s/.wfmon", "%(here)s/.venv/bin/python", "supervisor.conf")
