"""What the tap itself answers where no runtime does: JSON in the shape that clients of these APIs show."""

from __future__ import annotations

import json

from aiohttp import web


def refusal(status: int, kind: str, message: str) -> web.Response:
    """Return an error answer; `kind` is stable, for programs, `message` is for people: the thing, reason, mend."""
    body = json.dumps({"error": {"message": message, "type": kind, "code": kind, "param": None}}, ensure_ascii=False)
    return web.Response(
        status=status, text=body, content_type="application/json", headers={"X-Answered-By": "wfmon-tap"}
    )


def no_runtime(tried: list[str], why: str = "") -> web.Response:
    """Return the 502 that names what was tried."""
    if tried:
        message = f"No model runtime answered at {', '.join(tried)}{f' ({why})' if why else ''}."
    else:
        message = "No model runtime was found on this machine, and no route is set."
    return refusal(
        502,
        "no_runtime",
        f"{message} Start the runtime, or name its address: wfmon tap routes --set / http://127.0.0.1:PORT",
    )


def foreign_host(why: str) -> web.Response:
    """Return the 403 for a request that is not addressed to this machine's loopback."""
    answer = refusal(
        403, "foreign_host", f"The tap refuses this request: {why}. Address it as 127.0.0.1, localhost or [::1]."
    )
    answer.force_close()
    return answer
