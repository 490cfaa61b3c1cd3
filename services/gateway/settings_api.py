"""Settings, consents and the audit over HTTP: thin, governance owns every answer and checks every change."""

import json
from typing import Any

import grpc
import msgspec
from aiohttp import web
from wfmonitor.v1 import settings_service_pb2 as pb
from wfmonitor.v1.settings_service_pb2_grpc import SettingsServiceStub

from bus.catalogue import Catalogue
from bus.plain import to_plain
from bus.settings_catalogue import find, settings_catalogue
from bus.settings_mirror import SettingsMirror
from services.gateway.access import Visitor
from services.gateway.door import Bearer
from services.gateway.metrics_api import TIMEOUT_S, json_response
from services.gateway.middleware import VISITOR, read_body
from services.gateway.params import Params
from services.gateway.refusal import Refusal

_SWITCH = "privacy.record."
# The page waits so long for the service that has to obey; later it sees the result in the next answer.
_RESULT_WITHIN_S = 2.0


class ChangeBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST /api/v1/settings."""

    key: str
    value: bool | int | float | str


class UndoBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST /api/v1/settings/undo."""

    change_id: str


class ConsentBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST /api/v1/consents."""

    target: str
    given: bool
    wording: str = ""


def actor_of(visitor: Visitor) -> str:
    """Who stands in the audit row."""
    return "person:page" if visitor.bearer is Bearer.PAGE else "person:api"


async def read_json(request: web.Request, kind: type[Any]) -> Any:
    """The body as `kind`; raises Refusal 400 that names the field."""
    try:
        return msgspec.json.decode(await read_body(request), type=kind)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at ")
        raise Refusal(400, where.strip("`") or "body", f"{message}.", "") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, "body", f"it is no JSON: {error}.", "") from error


class SettingsApi:
    """Handlers of the part of /api/v1 that governance answers."""

    def __init__(self, channel: grpc.aio.Channel, settings: SettingsMirror, catalogue: Catalogue) -> None:
        self._ask = SettingsServiceStub(channel)
        self._settings = settings
        self._catalogue = catalogue

    def routes(self) -> list[web.RouteDef]:
        """The addresses answered here."""
        return [
            web.get("/api/v1/settings", self.list),
            web.post("/api/v1/settings", self.change),
            web.post("/api/v1/settings/undo", self.undo),
            web.get("/api/v1/settings/changes", self.changes),
            web.get("/api/v1/consents", self.consents),
            web.post("/api/v1/consents", self.consent),
            web.get("/api/v1/audit", self.audit),
            web.get("/api/v1/audit/verify", self.verify),
            web.get("/api/v1/recorded", self.recorded),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """Every setting with value, default, range, meaning and live effect; `value` and `default_value` are JSON."""
        prefix = Params(request, ("prefix",)).text("prefix", "")
        return json_response(
            to_plain(await self._ask.ListSettings(pb.ListSettingsRequest(prefix=prefix), timeout=TIMEOUT_S))
        )

    async def change(self, request: web.Request) -> web.Response:
        """Changes one setting; the answer holds the change, and what its target said."""
        body: ChangeBody = await read_json(request, ChangeBody)
        asked = pb.ChangeRequest(
            key=body.key, value=json.dumps(body.value), actor=actor_of(request[VISITOR]), wait_s=_RESULT_WITHIN_S
        )
        return json_response(to_plain(await self._ask.Change(asked, timeout=TIMEOUT_S)))

    async def undo(self, request: web.Request) -> web.Response:
        """Gives a setting the value from before a change."""
        body: UndoBody = await read_json(request, UndoBody)
        asked = pb.UndoRequest(change_id=body.change_id, actor=actor_of(request[VISITOR]))
        return json_response(to_plain(await self._ask.Undo(asked, timeout=TIMEOUT_S)))

    async def changes(self, request: web.Request) -> web.Response:
        """The newest changes, of one key or of all."""
        params = Params(request, ("limit", "key"))
        asked = pb.ListChangesRequest(limit=params.integer("limit", 100, 1, 1000), key=params.text("key", ""))
        return json_response(to_plain(await self._ask.ListChanges(asked, timeout=TIMEOUT_S)))

    async def consents(self, request: web.Request) -> web.Response:
        """Every consent that was given or withdrawn, with its wording."""
        Params(request, ())
        return json_response(to_plain(await self._ask.ListConsents(pb.ListConsentsRequest(), timeout=TIMEOUT_S)))

    async def consent(self, request: web.Request) -> web.Response:
        """Gives or withdraws a consent."""
        body: ConsentBody = await read_json(request, ConsentBody)
        asked = pb.SetConsentRequest(
            target=body.target, given=body.given, wording=body.wording, actor=actor_of(request[VISITOR])
        )
        return json_response(to_plain(await self._ask.SetConsent(asked, timeout=TIMEOUT_S)))

    async def audit(self, request: web.Request) -> web.Response:
        """Rows of the audit chain after a number."""
        params = Params(request, ("after", "limit"))
        asked = pb.ListAuditRequest(after=params.integer("after"), limit=params.integer("limit", 100, 1, 1000))
        return json_response(to_plain(await self._ask.ListAudit(asked, timeout=TIMEOUT_S)))

    async def verify(self, request: web.Request) -> web.Response:
        """Whether the whole chain is intact, and where it is broken."""
        Params(request, ())
        return json_response(to_plain(await self._ask.VerifyAudit(pb.VerifyAuditRequest(), timeout=TIMEOUT_S)))

    async def recorded(self, request: web.Request) -> web.Response:
        """What is recorded, class by class, with its defaults, its switch and its metrics (CONTRACTS §11).

        `besides`: what has a switch of its own and is no class of metrics (records of requests, names, clients).
        """
        Params(request, ())
        enabled = self._settings.flag("recording.enabled")
        switches = {one.switch for one in self._catalogue.privacy.values()}
        besides = [key for key in settings_catalogue() if key.startswith(_SWITCH) and key not in switches]
        return json_response(
            {
                "recording": enabled,
                "switch": "recording.enabled",
                "classes": [self._class(name, enabled) for name in self._catalogue.privacy],
                "besides": [
                    {
                        "name": key.removeprefix(_SWITCH),
                        "meaning": find(key).meaning,
                        "switch": key,
                        "recording": enabled and self._settings.flag(key),
                    }
                    for key in besides
                ],
            }
        )

    def _class(self, name: str, enabled: bool) -> dict[str, Any]:
        defaults = self._catalogue.privacy[name]
        return {
            "name": name,
            "meaning": defaults.meaning,
            "shown": defaults.shown,
            "recorded": defaults.recorded,
            "shared": defaults.shared,
            "recording": enabled and self._settings.flag(defaults.switch),
            "switch": defaults.switch,
            "metrics": [
                {"name": metric.name, "unit": metric.unit, "rate": metric.rate, "meaning": metric.meaning}
                for metric in self._catalogue.values()
                if metric.privacy == name
            ],
        }
