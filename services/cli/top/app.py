"""The terminal view: panels, processes, services and events. Twice a second, at little cost, also over ssh."""

from __future__ import annotations

import socket
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid
from textual.events import Resize
from textual.widgets import DataTable, Footer, Static

from bus.home import Home
from services.cli.top.feed import News, feed
from services.cli.top.model import Model
from services.cli.top.panels import PANELS, events, gpus, headline, services
from services.cli.top.process_rows import HEADS, ORDERS, cells
from services.cli.top.style import CSS

EVERY_S = 0.5
EVENT_LINES = 4
_NARROW = 90


class Top(App[None]):
    """One screen; everything on it comes from the model."""

    CSS = CSS
    TITLE = "wfmon top"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "quit"),
        Binding("space", "pause", "pause"),
        *(Binding(order.key, f"order('{order.key}')", f"by {order.name}") for order in ORDERS),
    ]

    def __init__(self, home: Home) -> None:
        super().__init__()
        self.model = Model()
        self._order = ORDERS[0]
        self._paused = False
        self._trouble = "connecting …"
        self._host = socket.gethostname()
        self._home = home
        self._drawn = (-1, "")
        self._gpu_lines = -1

    def compose(self) -> ComposeResult:
        """The rows of the screen, from the top down."""
        yield Static(id="headline")
        with Grid(id="panels"):
            for name, _ in PANELS:
                yield Static(id=name, classes="panel")
        yield Static(id="gpus", classes="panel")
        yield DataTable(id="processes", cursor_type="row", zebra_stripes=False)
        yield Static(id="events", classes="panel")
        yield Static(id="services", classes="panel")
        yield Footer()

    def on_mount(self) -> None:
        """Name the columns and begin to ask."""
        table: DataTable[Text] = self.query_one("#processes", DataTable)
        for head in HEADS:
            table.add_column(Text(head, justify="left" if head in ("PROCESS", "UNIT") else "right"), key=head)
        self.draw()
        self.run_worker(self._follow())

    async def _follow(self) -> None:
        async for news in feed(self._home, EVERY_S):
            self.take(news)

    def on_resize(self, event: Resize) -> None:
        """One column of panels where two have no room."""
        self.query_one("#panels").set_class(event.size.width < _NARROW, "narrow")
        self.call_after_refresh(self.draw)

    def take(self, news: News) -> None:
        """Take what the feed brought. A paused view keeps what it shows, and still says when nothing comes."""
        self._trouble = news.trouble
        if not self._paused and not news.trouble:
            for frame in news.frames:
                self.model.take(frame)
            self.model.take_events(news.events)
        self.draw()

    def action_pause(self) -> None:
        """Hold the picture, or go on."""
        self._paused = not self._paused
        self.draw()

    def action_order(self, key: str) -> None:
        """Sort the processes by another column."""
        self._order = next(order for order in ORDERS if order.key == key)
        self.draw()

    def draw(self) -> None:
        """Write the model into the widgets; what has not changed is not sent to the terminal."""
        width = self.size.width
        self._write("headline", headline(self._host, self.model, self._trouble, self._paused))
        for name, panel in PANELS:
            room = self.query_one(f"#{name}", Static).content_size.width
            self._write(name, panel(self.model, room or width // 2))
        shown = gpus(self.model, width)
        lines = shown.plain.count("\n") + 1 if shown else 0
        if lines != self._gpu_lines:
            self._gpu_lines = lines
            gpu_panel = self.query_one("#gpus", Static)
            gpu_panel.display = bool(lines)
            gpu_panel.styles.height = lines
        self._write("gpus", shown)
        self._write("services", services(self.model, width))
        self._write("events", events(self.model, EVENT_LINES))
        self._draw_processes()

    def _write(self, name: str, text: Text) -> None:
        # All heights are fixed: laying the screen out anew at each update would be most of the cost.
        self.query_one(f"#{name}", Static).update(text, layout=False)

    def _draw_processes(self) -> None:
        processes = self.model.processes
        drawn = (processes.time_us if processes else 0, self._order.key)
        if drawn == self._drawn:
            return  # a table costs more than all the rest to draw, and a new one comes once a second
        self._drawn = drawn
        table: DataTable[Text] = self.query_one("#processes", DataTable)
        cursor = table.cursor_row
        table.clear()
        for name, *numbers, unit in cells(processes, self._order) if processes else []:
            table.add_row(Text(name), *(Text(cell, justify="right") for cell in numbers), Text(unit))
        table.move_cursor(row=min(cursor, max(0, table.row_count - 1)))
        total = processes.total if processes else 0
        table.border_title = f"{total} processes, by {self._order.name}" if total else "processes: not measured"
