"""The way into the page: a one-use code from the gateway, and a browser that is shown it without argv or
history.

The address with the code never stands in an argument, where `ps` would show it: the browser is given a 0600
file that leads on to it (DESIGN §6). Where no browser can read that file, the address is printed instead.
"""

from __future__ import annotations

import html
import http.client
import json
import os
import stat
import sys
import tempfile
from pathlib import Path

from bus.home import Home, write_private
from services.cli.connection import read_token, unavailable
from services.cli.errors import CliError

_TIMEOUT_S = 5.0
_REDIRECT = """<!doctype html>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0;url={address}">
<title>WIRTHFORGE Monitor</title>
<p><a href="{address}">Open the monitor</a></p>
"""


def plain_address(home: Home) -> str:
    """Return where the page is; opening it needs a code."""
    return f"http://127.0.0.1:{home.ports.page}/"


def one_use_address(home: Home) -> str:
    """Return an address that opens the page once, within five minutes. Raises CliError."""
    connection = http.client.HTTPConnection("127.0.0.1", home.ports.page, timeout=_TIMEOUT_S)
    headers = {"Authorization": f"Bearer {read_token(home)}", "Content-Type": "application/json"}
    try:
        connection.request("POST", "/api/v1/code", body="{}", headers=headers)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException):
        raise unavailable(home) from None
    finally:
        connection.close()
    if response.status != 200:
        raise CliError(
            f"the gateway gave no code to open the page with ({response.status}): {body.decode(errors='replace')}"
        )
    # In the fragment: no server and no referrer ever sees it.
    return f"{plain_address(home)}#code={json.loads(body)['code']}"


def why_no_browser() -> str:
    """Return why no browser can be opened from here, empty where one can."""
    if os.environ.get("SSH_CONNECTION"):
        return "this is a remote session"
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return "browsers do not run as root"
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "there is no screen"
    if _browser_is_confined():
        return "the browser is a snap or flatpak, which cannot read the file that leads to the page"
    return ""


def open_in_browser(address: str) -> bool:
    """Show `address` to the browser through a redirect file; False where no browser took it."""
    import webbrowser

    return webbrowser.open(redirect_file(address).as_uri())


def redirect_file(address: str) -> Path:
    """Write the 0600 file that leads to `address`, in place of the last one, and return its path."""
    path = _private_folder() / "open.html"
    write_private(path, _REDIRECT.format(address=html.escape(address)).encode())
    return path


def show(home: Home, *, browser: bool) -> None:
    """Open the page, or print an address that opens it once and why."""
    address = one_use_address(home)
    reason = why_no_browser() if browser else "asked not to"
    if not reason and open_in_browser(address):
        print(f"The page is opening in your browser: {plain_address(home)}")
        return
    why = f" ({reason})" if reason and browser else ""
    print(f"Open this address{why}; it works once, within five minutes:\n  {address}")
    if os.environ.get("SSH_CONNECTION"):
        port = home.ports.page
        print(
            f"From your own machine, first: ssh -L {port}:127.0.0.1:{port} {os.environ.get('USER', 'you')}@this-machine"
        )


def _private_folder() -> Path:
    """Return a 0700 folder that is not hidden: browsers in a sandbox of their own do not read hidden ones."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    parent = Path(runtime) if runtime and Path(runtime).is_dir() else Path(tempfile.gettempdir())
    folder = parent / f"wirthforge-monitor-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        # Somebody else made it first, in a folder where everybody may: then one with a name nobody can guess.
        return Path(tempfile.mkdtemp(prefix="wirthforge-monitor-", dir=parent))
    return folder


def _browser_is_confined() -> bool:
    """Return whether the default browser is a snap or flatpak, as far as the desktop tells."""
    if not sys.platform.startswith("linux") or os.environ.get("BROWSER"):
        return False
    import shutil
    import subprocess

    ask = shutil.which("xdg-settings")
    if ask is None:
        return False
    try:
        answer = subprocess.run(
            [ask, "get", "default-web-browser"], capture_output=True, text=True, timeout=2, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    name = answer.stdout.strip()
    snap = Path("/var/lib/snapd/desktop/applications", name)
    flatpak = Path("/var/lib/flatpak/exports/share/applications", name)
    return bool(name) and (snap.exists() or flatpak.exists())
