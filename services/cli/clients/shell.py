"""The environment lines for programs that are started from a shell, and the block in its profile that reads them. Pure.

OLLAMA_HOST is read by Ollama's programs and by its server alike: `ollama serve` from the same shell would try to listen
at the tap's port. The lines therefore hold a function that gives the server what it had.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from services.cli.clients.address import Tap, port_of

BEGIN, END = "# >>> wfmon tap >>>", "# <<< wfmon tap <<<"
_BLOCK = re.compile(rf"^{BEGIN}$.*?^{END}$\n?", re.M | re.S)
_SERVE = """\
# The server keeps the address that it had; all other words of ollama go through the tap.
ollama() {
  case "${1-}" in
    serve | start) if [ -n "${WFMON_OLLAMA_HOST-}" ]; then OLLAMA_HOST=$WFMON_OLLAMA_HOST command ollama "$@"
      else (unset OLLAMA_HOST; command ollama "$@"); fi ;;
    *) command ollama "$@" ;;
  esac
}
"""


class Line(NamedTuple):
    """One variable: what it is to be, or why it stays."""

    name: str
    value: str
    why_not: str = ""


def lines(tap: Tap, env: Mapping[str, str], paid: str = "") -> list[Line]:
    """Return the variables of usual clients. What leads to a service elsewhere, or to one that is paid, stays there.

    `paid`: which program keeps a key of OpenAI's service in a file of its own.
    """
    openai = _elsewhere(env, "OPENAI_BASE_URL", "OPENAI_API_BASE")
    if not openai and not _here(env, "OPENAI_BASE_URL"):
        held = env.get("OPENAI_API_KEY", "").startswith("sk-")
        openai = "OPENAI_API_KEY holds a key of a service elsewhere" if held else paid
    anthropic = _elsewhere(env, "ANTHROPIC_BASE_URL")
    if not anthropic and not _here(env, "ANTHROPIC_BASE_URL"):
        anthropic = "your programs use the service elsewhere, unless they were led to this machine before"
    ollama = _elsewhere(env, "OLLAMA_HOST") if tap.knows_ollama else "the tap knows no Ollama"
    return [
        Line("OPENAI_BASE_URL", f"{tap.url}/v1", openai),
        Line("OPENAI_API_BASE", f"{tap.url}/v1", openai),
        Line("OLLAMA_HOST", tap.authority, ollama),
        Line("OLLAMA_API_BASE", tap.url, ollama or _elsewhere(env, "OLLAMA_API_BASE")),
        Line("ANTHROPIC_BASE_URL", tap.url, anthropic),
    ]


def _elsewhere(env: Mapping[str, str], *names: str) -> str:
    """Return why a variable is left alone: it leads to another machine."""
    for name in names:
        if env.get(name) and port_of(env[name]) is None and not _listens_only(env[name]):
            return f"{name} leads to {host_of(env[name])}"
    return ""


def _listens_only(value: str) -> bool:
    """Whether an OLLAMA_HOST of a server is meant: all addresses of this machine, as `0.0.0.0` or `:11434`."""
    return value.startswith((":", "[::]"))


def _here(env: Mapping[str, str], name: str) -> bool:
    return port_of(env.get(name) or "?!") is not None


def host_of(address: str) -> str:
    """Return the host of an address, without what may be a secret in it."""
    return address.partition("://")[2].partition("/")[0].rpartition("@")[2] or address.partition("/")[0][:80]


def script(tap: Tap, env: Mapping[str, str], paid: str = "") -> str:
    """Return the file that shells read."""
    told = [one for one in lines(tap, env, paid) if not one.why_not]
    text = "# Leads programs through the tap; written by wfmon tap setup, taken back by wfmon tap setup --undo.\n"
    if any(one.name == "OLLAMA_HOST" for one in told):
        text += f'[ "${{OLLAMA_HOST-}}" = {tap.authority} ] || WFMON_OLLAMA_HOST=${{OLLAMA_HOST-}}\n'
    text += "".join(f"export {one.name}={one.value}\n" for one in told)
    return text + (_SERVE if any(one.name == "OLLAMA_HOST" for one in told) else "")


def with_block(profile: str, script_path: Path) -> str:
    """Return a profile with the one marked block that reads the script, where there is such a file."""
    quoted = shlex.quote(str(script_path))
    block = f"{BEGIN}\nif [ -r {quoted} ]; then . {quoted}; fi\n{END}\n"
    if BEGIN in profile:
        return _BLOCK.sub(lambda _: block, profile, count=1)
    return profile + ("" if not profile or profile.endswith("\n") else "\n") + block


def profiles(home: Path, env: Mapping[str, str]) -> list[Path]:
    """Return the files that the user's shell reads at its start: those that are there, else the one it would read.

    None for a shell that does not read POSIX lines (fish, nushell).
    """
    shell = Path(env.get("SHELL") or "sh").name
    if shell == "zsh":
        return [Path(env.get("ZDOTDIR") or home) / ".zshrc"]
    if shell == "bash":
        usual = [home / ".bashrc", home / ".bash_profile", home / ".profile"]
        login = [path for path in usual[1:] if path.exists()][:1]
        return ([usual[0]] if usual[0].exists() or not login else []) + login
    return [home / ".profile"] if shell in ("sh", "dash", "ash", "ksh", "mksh") else []
