"""Which tables share the rows of one chunk: those that a producer reads on the same tick."""

from collections.abc import Mapping, Sequence

from services.aggregator.chunks import Piece
from services.aggregator.dictionary import Dictionary
from services.aggregator.timeline import share_of_same_rows
from services.aggregator.transaction import RowBlock


def by_line(dictionary: Dictionary, blocks: Sequence[RowBlock]) -> dict[int, list[Piece]]:
    """The blocks' rows by line, under the numbers of their series; tables and series are numbered where new."""
    lines: dict[int, list[Piece]] = {}
    for block in blocks:
        if not len(block.times_us):
            continue
        table = dictionary.find(block.key)
        if table is None:
            line = _line_of_same_clock(dictionary, block, lines)
            table = dictionary.add_table(block.key, block.rate_hz, line)
        dictionary.set_rate(table, block.rate_hz)
        ids = dictionary.numbers(table, block.series)
        lines.setdefault(table.line, []).append(Piece(block.times_us, block.boot_us, ids, block.values))
    return lines


def _line_of_same_clock(dictionary: Dictionary, block: RowBlock, lines: Mapping[int, Sequence[Piece]]) -> int:
    """The line whose rows a new table mostly shares; 0: none. Decided once, and kept.

    Tables of different clocks in one line would cost each of them a bitmap of the other's rows.
    """
    for table in dictionary.tables:
        key = table.key
        if (key.producer, key.group) == (block.key.producer, block.key.group) and table.line in lines:
            others = [(piece.times_us, piece.boot_us) for piece in lines[table.line]]
            if share_of_same_rows((block.times_us, block.boot_us), others) > 0.5:
                return table.line
    return 0
