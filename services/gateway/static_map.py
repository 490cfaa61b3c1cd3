"""The page's files, read once at start: an address is looked up, never joined to a folder (SECURITY, mechanism 6)."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
_LEFT_OUT = frozenset({"tests", "test", "tools", "node_modules", "__pycache__", "package.json", "package-lock.json"})
_MAX_BYTES = 32 << 20


class StaticError(Exception):
    """The page's folder cannot be served; the text names it and the mend."""


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file as it is sent: content, type and strong validator."""

    content: bytes
    content_type: str
    etag: str


def load(folder: Path) -> dict[str, StaticFile]:
    """Address → file, `/` being index.html. Files of other types, hidden ones and links are not served."""
    if not (folder / "index.html").is_file():
        raise StaticError(
            f"{folder}/index.html is missing. Install wirthforge-monitor again, or run from a whole clone."
        )
    files: dict[str, StaticFile] = {}
    total = 0
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        kind = CONTENT_TYPES.get(path.suffix.lower())
        if kind is None or path.is_symlink() or not path.is_file():
            continue
        if any(part.startswith(".") or part in _LEFT_OUT for part in parts):
            continue
        content = path.read_bytes()
        total += len(content)
        if total > _MAX_BYTES:
            raise StaticError(f"{folder} holds more than {_MAX_BYTES} bytes. Remove what is no part of the page.")
        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        files["/" + "/".join(parts)] = StaticFile(content, kind, etag)
    files["/"] = files["/index.html"]
    return files


def fresh(if_none_match: str, etag: str) -> bool:
    """Whether the browser's copy, named by If-None-Match, is this one."""
    return any(tag.strip().removeprefix("W/") in (etag, "*") for tag in if_none_match.split(","))
