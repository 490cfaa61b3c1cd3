"""SettingsService: governance's answers over gRPC (proto/wfmonitor/v1/settings_service.proto)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TypeVar

import grpc
from wfmonitor.v1 import settings_service_pb2 as pb
from wfmonitor.v1.control_pb2 import AuditEvent, AuditRow
from wfmonitor.v1.settings_service_pb2_grpc import SettingsServiceServicer

from bus.database import DatabaseReplaced, DiskFull
from bus.settings_catalogue import SettingError, SettingSpec, consent_specs, find, settings_catalogue, to_json
from services.governance.audit import ChainedRow
from services.governance.desk import Answer, Desk
from services.governance.intake import BadAuditEvent, check_actor
from services.governance.ledger import ConsentState, UnknownChange
from services.governance.plan import Refused, UnknownConsent
from services.governance.store import Store

# A row is at most about 5 kB, and an answer at most 1 MiB.
MAX_AUDIT_ROWS = 200
MAX_CHANGES = 1_000
UNDO_WAIT_S = 2.0

Request = TypeVar("Request")
Response = TypeVar("Response")
Context = grpc.aio.ServicerContext[Request, Response]

_STATUS: tuple[tuple[type[Exception], grpc.StatusCode], ...] = (
    (SettingError, grpc.StatusCode.INVALID_ARGUMENT),
    (UnknownConsent, grpc.StatusCode.INVALID_ARGUMENT),
    (BadAuditEvent, grpc.StatusCode.INVALID_ARGUMENT),
    (Refused, grpc.StatusCode.FAILED_PRECONDITION),
    (UnknownChange, grpc.StatusCode.NOT_FOUND),
    (DiskFull, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (DatabaseReplaced, grpc.StatusCode.UNAVAILABLE),
)


def _answering(
    method: Callable[[SettingsApi, Request, Context[Request, Response]], Awaitable[Response]],
) -> Callable[[SettingsApi, Request, Context[Request, Response]], Awaitable[Response]]:
    """Turn the domain's refusals into gRPC statuses that carry their sentence."""

    @wraps(method)
    async def answer(self: SettingsApi, request: Request, context: Context[Request, Response]) -> Response:
        try:
            return await method(self, request, context)
        except tuple(kind for kind, _ in _STATUS) as error:
            status = next(status for kind, status in _STATUS if isinstance(error, kind))
            await context.abort(status, str(error.args[0]) if error.args else str(error))
            raise

    return answer


class SettingsApi(SettingsServiceServicer):
    """Thin: every judgement is the desk's and the store's."""

    def __init__(self, store: Store, desk: Desk) -> None:
        self._store = store
        self._desk = desk

    @_answering
    async def ListSettings(
        self,
        request: pb.ListSettingsRequest,
        context: Context[pb.ListSettingsRequest, pb.ListSettingsResponse],
    ) -> pb.ListSettingsResponse:
        snapshot = await self._store.settings()
        shown = [spec for key, spec in settings_catalogue().items() if key.startswith(request.prefix)]
        if not shown and request.prefix:
            find(request.prefix)
        settings = [_setting(spec, snapshot.values[spec.key]) for spec in shown]
        return pb.ListSettingsResponse(settings=settings, epoch=snapshot.epoch, seq=snapshot.seq)

    @_answering
    async def Change(
        self, request: pb.ChangeRequest, context: Context[pb.ChangeRequest, pb.ChangeResponse]
    ) -> pb.ChangeResponse:
        actor = check_actor(request.actor)
        return _response(await self._desk.change(request.key, request.value, actor, request.wait_s))

    @_answering
    async def Undo(
        self, request: pb.UndoRequest, context: Context[pb.UndoRequest, pb.ChangeResponse]
    ) -> pb.ChangeResponse:
        actor = check_actor(request.actor)
        return _response(await self._desk.undo(request.change_id, actor, UNDO_WAIT_S))

    @_answering
    async def ListChanges(
        self, request: pb.ListChangesRequest, context: Context[pb.ListChangesRequest, pb.ListChangesResponse]
    ) -> pb.ListChangesResponse:
        if request.key:
            find(request.key)
        limit = min(request.limit or 100, MAX_CHANGES)
        return pb.ListChangesResponse(changes=await self._store.changes(request.key, limit))

    @_answering
    async def ListConsents(
        self,
        request: pb.ListConsentsRequest,
        context: Context[pb.ListConsentsRequest, pb.ListConsentsResponse],
    ) -> pb.ListConsentsResponse:
        """Every consent there is, with the sentence to agree to where none was given yet."""
        known = {
            target: ConsentState(target, given=False, time_us=0, wording=spec.wording)
            for target, spec in consent_specs().items()
        }
        known |= {state.target: state for state in await self._store.consents()}
        return pb.ListConsentsResponse(consents=[_consent(state) for state in known.values()])

    @_answering
    async def SetConsent(
        self, request: pb.SetConsentRequest, context: Context[pb.SetConsentRequest, pb.Consent]
    ) -> pb.Consent:
        actor = check_actor(request.actor)
        state = await self._desk.set_consent(request.target, request.given, request.wording, actor)
        return _consent(state)

    @_answering
    async def ListAudit(
        self, request: pb.ListAuditRequest, context: Context[pb.ListAuditRequest, pb.ListAuditResponse]
    ) -> pb.ListAuditResponse:
        # SQLite counts to 2^63 − 1.
        after = min(request.after, 2**63 - 1)
        rows = await self._store.audit(after, min(request.limit or 100, MAX_AUDIT_ROWS))
        return pb.ListAuditResponse(rows=[_audit_row(row) for row in rows])

    @_answering
    async def VerifyAudit(
        self, request: pb.VerifyAuditRequest, context: Context[pb.VerifyAuditRequest, pb.VerifyAuditResponse]
    ) -> pb.VerifyAuditResponse:
        verdict = await self._store.verify_audit()
        return pb.VerifyAuditResponse(
            intact=verdict.intact, rows=verdict.rows, broken_at=verdict.broken_at, reason=verdict.reason
        )


def _setting(spec: SettingSpec, value: str) -> pb.Setting:
    return pb.Setting(
        key=spec.key,
        value=value,
        default_value=to_json(spec.default),
        type=spec.type,
        unit=spec.unit,
        minimum=spec.minimum or 0.0,
        maximum=spec.maximum or 0.0,
        choices=spec.choices,
        meaning=spec.meaning,
        live_effect=spec.live_effect,
        target=spec.target,
    )


def _response(answer: Answer) -> pb.ChangeResponse:
    return pb.ChangeResponse(change=answer.change, result=answer.result)


def _consent(state: ConsentState) -> pb.Consent:
    return pb.Consent(target=state.target, given=state.given, time_us=state.time_us, wording=state.wording)


def _audit_row(row: ChainedRow) -> AuditRow:
    record = row.record
    event = AuditEvent(
        id=_printable(record.id),
        time_us=record.time_us,
        actor=_printable(record.actor),
        type=_printable(record.type),
        details=_details(record.details),
    )
    return AuditRow(number=row.number, event=event, previous_hash=row.previous_hash, hash=row.hash)


def _printable(text: str) -> str:
    """Return a text that protobuf can carry: what was no UTF-8 in a damaged row becomes question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _details(text: str) -> dict[str, str]:
    try:
        return {str(name): str(value) for name, value in json.loads(_printable(text)).items()}
    except (ValueError, AttributeError):
        return {"damaged": _printable(text)}
