"""A failed call to another service, as the HTTP answer it becomes."""

import grpc

from services.gateway.refusal import Refusal

_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 409,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 413,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}


def from_rpc(error: grpc.aio.AioRpcError) -> Refusal:
    """The owner's own words, and the HTTP status of its code."""
    code = error.code()
    status = _STATUS.get(code, 502)
    details = error.details() or code.name
    if code is grpc.StatusCode.UNAVAILABLE:
        return Refusal(
            503,
            "service",
            "the service that owns the answer is not running.",
            "Ask again in a second; see `wfmon status`.",
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Refusal(
            504, "service", "the service that owns the answer took too long.", "Ask for less, or again later."
        )
    return Refusal(status, "request", details, "")
