"""The programs that supervisord runs, and the configuration it reads.

`supervisor.conf` in the root of a clone is this same text with `%(here)s` in place of the paths; a test
holds the two together.
"""

from pathlib import Path

from bus.home import REPOSITORY, Home

# In the order of the data. Any start order works; none waits for another.
SERVICES = ("forwarder", "governance", "collector", "aggregator", "tap", "gateway")
LISTENER = "listener"

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
environment=PYTHONPATH="{root}:{root}/proto",MALLOC_ARENA_MAX="2",OPENBLAS_NUM_THREADS="1",GRPC_VERBOSITY="ERROR",PYTHONUNBUFFERED="1"

[unix_http_server]
file={home}/run/supervisor.sock
chmod=0700

[supervisorctl]
serverurl=unix://{home}/run/supervisor.sock

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""

# startsecs=0: supervisord would count quick kills to FATAL and give up; the listener restarts instead, with
# a back-off that never ends (services/listener).
_PROGRAM = """
[program:{name}]
command={python} -m services.{name} --home {home}
startsecs=0
autorestart=false
stopwaitsecs=5
redirect_stderr=true
stdout_logfile={home}/log/{name}.log
stdout_logfile_maxbytes=1MB
stdout_logfile_backups=2
"""

_LISTENER = """
[eventlistener:{name}]
command={python} -m services.{name} --home {home}
events=PROCESS_STATE,TICK_5
buffer_size=100
startsecs=0
autorestart=true
stopwaitsecs=5
stderr_logfile={home}/log/{name}.log
stderr_logfile_maxbytes=1MB
stderr_logfile_backups=2
"""


def render(root: str, home: str, python: str, conf: str) -> str:
    """The configuration with these paths, which may hold supervisord's own `%(here)s`."""
    values = {"root": root, "home": home, "python": python, "conf": conf}
    programs = "".join(_PROGRAM.format(name=name, **values) for name in SERVICES)
    return _HEAD.format(**values) + programs + _LISTENER.format(name=LISTENER, **values)


def render_supervisor_conf(home: Home, python: str) -> str:
    """The configuration of `<home>/supervisor.conf`; `python` runs the services."""

    def literal(path: Path | str) -> str:
        return str(path).replace("%", "%%")  # supervisord expands %(…)s

    conf = home.root / "supervisor.conf"
    return render(literal(REPOSITORY), literal(home.root), literal(python), literal(conf))


def render_for_clone() -> str:
    """The configuration of `supervisor.conf` in the root of a clone."""
    return render("%(here)s", "%(here)s/.wfmon", "%(here)s/.venv/bin/python", "supervisor.conf")
