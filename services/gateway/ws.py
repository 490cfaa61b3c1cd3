"""`/ws`: binary LiveFrames to a page, JSON text from it.

From the page: {"ack": seq} each 15 frames and each second, {"key": true}, {"ping": t_ms}, {"ui": {metric: value}}.
To the page: LiveFrame bytes, and {"pong": t_ms, "server_us": µs} as text. Rubbish gets one clear close.
"""

import asyncio
import socket
from collections.abc import Callable

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from bus.clock import monotonic_s, wall_us
from services.gateway.live_hub import LiveHub
from services.gateway.rates import Bucket
from services.gateway.refusal import Refusal
from services.gateway.slot import Slot
from services.gateway.stalls import StallWatch

MAX_MESSAGE_BYTES = 8 << 10
# Small, so that a page that lags sees the newest soon, and not the megabytes that the kernel would queue.
_SEND_BUFFER_BYTES = 128 << 10
_MESSAGES_A_SECOND = 60
# So many frames that came in one turn of the loop go out as they are.
_BURST = 4


class FromPage(msgspec.Struct, forbid_unknown_fields=True):
    """One message of a page; exactly what the module's first lines say."""

    ack: int | None = None
    key: bool = False
    ping: float | None = None
    ui: dict[str, float | None] | None = None


_decoder = msgspec.json.Decoder(FromPage)


class WsClient:
    """One connected page: its slot, and the pump that alone waits for its socket."""

    def __init__(self, ws: web.WebSocketResponse, transport: asyncio.Transport, min_gap_s: Callable[[], float]) -> None:
        self.slot = Slot()
        self._ws = ws
        self._stall = StallWatch(transport)
        self._min_gap_s = min_gap_s
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    def tick(self, now_s: float) -> None:
        """Cuts a page whose socket takes nothing any more."""
        self._stall.tick(now_s)

    async def pump(self) -> None:
        """Sends what the slot holds whenever the socket is empty and the page is not too far behind."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            gap_s = self._min_gap_s()
            while not (self._stall.busy or self.slot.waits_for_acknowledgement):
                content = self.slot.take(few=1 if gap_s else _BURST)
                if content is None:
                    break
                await self._ws.send_bytes(content)
                if gap_s:
                    await asyncio.sleep(gap_s)

    def give_up(self, pump: asyncio.Task[None]) -> None:
        """Whatever ended the pump: a page that gets nothing more is better off connecting again."""
        if not pump.cancelled() and pump.exception() is not None:
            self._stall.cut()


class WsDoor:
    """The handler of `/ws`, and the counts of what it met."""

    def __init__(
        self,
        hub: LiveHub,
        spend_ticket: Callable[[str], bool],
        on_ui: Callable[[object, dict[str, float | None]], None],
    ) -> None:
        self._hub = hub
        self._spend_ticket = spend_ticket
        self._on_ui = on_ui
        self._open: set[web.WebSocketResponse] = set()
        self.rejected_total = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Upgrades a request that brings a live ticket; returns when the page has gone."""
        if not self._spend_ticket(request.query.get("ticket", "")):
            raise Refusal(
                401, "ticket", "it is absent, used or older than 30 s.", "POST /api/v1/ticket for a fresh one."
            )
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise Refusal(426, "/ws", "it is a WebSocket.", "Connect to it with one, or read /sse.")
        if self._hub.full:
            raise Refusal(
                503,
                "/ws",
                f"{self._hub.max_clients} pages are connected.",
                "Close one, or raise the setting gateway.clients.max.",
            )
        ws = web.WebSocketResponse(compress=False, max_msg_size=MAX_MESSAGE_BYTES, timeout=2.0)
        await ws.prepare(request)
        transport = request.transport
        if transport is None:
            return ws
        raw: socket.socket = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        client = WsClient(ws, transport, lambda: self._hub.min_gap_s)
        self._open.add(ws)
        self._hub.join(client)
        pump = asyncio.create_task(client.pump())
        pump.add_done_callback(client.give_up)
        try:
            await self._read(ws, client)
        finally:
            self._hub.leave(client)
            self._open.discard(ws)
            pump.cancel()
        return ws

    async def close(self) -> None:
        """Tells every page that the gateway goes; pages come back by themselves."""
        for ws in tuple(self._open):
            await ws.close(code=WSCloseCode.GOING_AWAY, message=b"the gateway restarts; connect again", drain=False)

    async def _read(self, ws: web.WebSocketResponse, client: WsClient) -> None:
        rate = Bucket(_MESSAGES_A_SECOND, 2 * _MESSAGES_A_SECOND)
        async for message in ws:
            if message.type is WSMsgType.ERROR:  # aiohttp has closed with 1002, 1007 or 1009
                self.rejected_total += 1
                return
            try:
                if message.type is not WSMsgType.TEXT:
                    raise Refusal(1008, "message", "binary;", "this socket takes JSON text")
                if rate.take("", monotonic_s()):
                    raise Refusal(1008, "message", f"more than {_MESSAGES_A_SECOND} a second;", "send fewer")
                await self._obey(ws, client, _decode(message.data))
            except Refusal as refusal:
                self.rejected_total += 1
                # A close frame has room for 123 bytes.
                await ws.close(code=refusal.status, message=str(refusal).encode()[:123])
                return

    async def _obey(self, ws: web.WebSocketResponse, client: WsClient, asked: FromPage) -> None:
        if asked.ack is not None:
            client.slot.acknowledge(asked.ack)
            client.wake()
        if asked.key:
            self._hub.ask_key()
        if asked.ping is not None:
            await ws.send_str(f'{{"pong":{asked.ping!r},"server_us":{wall_us()}}}')
        if asked.ui is not None:
            self._on_ui(client, asked.ui)


def _decode(text: str) -> FromPage:
    try:
        return _decoder.decode(text)
    except msgspec.ValidationError as error:
        raise Refusal(1008, "message", f"{error};", "known: ack, key, ping, ui") from error
    except msgspec.DecodeError as error:
        raise Refusal(1007, "message", "no JSON;", f"{error}") from error
