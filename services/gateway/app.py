"""The HTTP application: the doorkeeper before everything, then the addresses."""

from collections.abc import Iterable, Mapping

from aiohttp import web
from aiohttp.typedefs import Middleware

from services.gateway.door import MAX_BODY_BYTES
from services.gateway.headers import add_security_headers
from services.gateway.static_map import StaticFile, fresh


def make_app(
    doorkeeper: Middleware, routes: Iterable[web.RouteDef], files: Mapping[str, StaticFile]
) -> web.Application:
    """The app; what is not an address of `routes` is looked up in `files`."""
    app = web.Application(middlewares=(doorkeeper,), client_max_size=MAX_BODY_BYTES)
    app.on_response_prepare.append(add_security_headers)
    app.add_routes(routes)

    async def static(request: web.Request) -> web.Response:
        found = files.get(request.raw_path.partition("?")[0])
        if found is None:
            raise web.HTTPNotFound
        headers = {"ETag": found.etag, "Cache-Control": "no-cache", "Content-Type": found.content_type}
        if fresh(request.headers.get("If-None-Match", ""), found.etag):
            return web.Response(status=304, headers=headers)
        return web.Response(body=found.content, headers=headers)

    app.router.add_get("/{path:.*}", static)
    return app
