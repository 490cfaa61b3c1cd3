"""`POST /api/v1/ingest`, and the page's own frames: checked, then published like any other samples."""

from aiohttp import web

from bus.catalogue import Catalogue
from bus.series import Series
from bus.settings_mirror import SettingsMirror
from services.gateway.ingest import read_events
from services.gateway.metrics_api import json_response
from services.gateway.middleware import read_body
from services.gateway.own_tables import Now, OwnTables
from services.gateway.page_counters import PageCounters
from services.gateway.params import Params
from services.gateway.possible import why_impossible
from services.gateway.refusal import Refusal, must_be_on

PAGE_SOURCE = "ui:dashboard"


class IngestApi:
    """The handler of /api/v1/ingest, and of {"ui": …} on the WebSocket."""

    def __init__(self, tables: OwnTables, catalogue: Catalogue, settings: SettingsMirror) -> None:
        self._tables = tables
        self._catalogue = catalogue
        self._settings = settings
        self.events_total = 0
        self.ui_impossible_total = 0
        self._counters = PageCounters()

    def routes(self) -> list[web.RouteDef]:
        """The address answered here."""
        return [web.post("/api/v1/ingest", self.ingest)]

    async def ingest(self, request: web.Request) -> web.Response:
        """One event of SPEC §3.2 or a list of them: all are taken, or none and a 400 names the field."""
        Params(request, ())
        must_be_on(self._settings, "gateway.ingest.enabled")
        body = await read_body(request)
        now = Now.read()
        rows = read_events(body, self._catalogue, now.wall_us)
        self._tables.write(rows, now)
        self.events_total += len(rows)
        return json_response({"accepted": len(rows)})

    def on_ui(self, page: object, values: dict[str, float | None]) -> None:
        """What a page, a connection, measured of itself: catalogue names, with or without `ui.`.

        Raises Refusal 1008 for other names.

        A figure that its metric cannot be is left out and counted: a lag below 0, say, of two clocks that were set.
        """
        row: dict[Series, float] = {}
        for name, value in values.items():
            metric = f"ui.{name.removeprefix('ui.')}"
            if metric not in self._catalogue:
                raise Refusal(1008, f"ui.{name[:40]}", "is not in the catalogue;", "see /api/v1/describe")
            if value is None:
                continue
            if why_impossible(value, self._catalogue[metric]):
                self.ui_impossible_total += 1
                continue
            if self._catalogue[metric].kind == "counter":
                value = self._counters.summed(page, metric, value)
            row[Series(metric, PAGE_SOURCE)] = value
        self._tables.put(PAGE_SOURCE, row, Now.read())
