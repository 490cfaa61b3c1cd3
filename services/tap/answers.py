"""What the tap itself answers where no runtime does: JSON in the shape that clients of these APIs show."""

from __future__ import annotations

import json

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMethod, HttpProcessingError, LineTooLong


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


def no_request(error: BaseException | None) -> web.Response:
    """Return the answer to what could not be read as a request, or, of any other error, to a fault of the tap."""
    if isinstance(error, LineTooLong):
        return refusal(431, "head_too_large", "The request's first line, or one of its headers, is longer than 16 KiB.")
    if isinstance(error, HttpProcessingError) and "headers" in error.message:
        return refusal(431, "head_too_large", "The request has more than 100 headers.")
    if isinstance(error, BadHttpMethod):
        return refusal(
            400, "no_http", "This is no HTTP request. The tap speaks plain HTTP/1.1: write http://, not https://."
        )
    if isinstance(error, HttpProcessingError):
        return refusal(400, "no_http", "The request is no valid HTTP/1.1; the tap passes on no other.")
    return refusal(500, "fault", "The tap failed with this request. Send it again, or to the runtime itself.")


def no_body(waited_s: float) -> web.Response:
    """Return the 408 for a request whose body stopped in its middle."""
    answer = refusal(408, "body_stopped", f"The request's body stopped for {waited_s:.0f} s. Send the request again.")
    answer.force_close()
    return answer


def goes_round(url: str) -> web.Response:
    """Return the 400 that ends a request without end: what says 5xx is asked again by each that it passed."""
    return refusal(
        400,
        "goes_round",
        f"This request goes round: {url}, where the tap leads it, asks the tap for the same again. Start the runtime "
        "of the model, or give that proxy the runtime's address in place of the tap's.",
    )


def foreign_host(why: str) -> web.Response:
    """Return the 403 for a request that is not addressed to this machine's loopback."""
    answer = refusal(
        403, "foreign_host", f"The tap refuses this request: {why}. Address it as 127.0.0.1, localhost or [::1]."
    )
    answer.force_close()
    return answer
