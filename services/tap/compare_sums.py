"""Requests and rounds of a comparison summed up: medians and quartiles, by the field's definitions. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from wfmonitor.v1.compare_service_pb2 import CompareCell, Spread
from wfmonitor.v1.request_pb2 import RequestRecord

from services.tap.record import nearest_rank


class Sent(NamedTuple):
    """One request of a round: when it went out (monotonic s), and its record; it failed where `error` says so."""

    time_s: float
    record: RequestRecord
    disturbed: bool = False

    @property
    def error(self) -> str:
        """The class of its failure; empty where it went well."""
        record = self.record
        if record.status != 200 or record.error:
            return record.error or f"http_{record.status}"
        return "" if record.HasField("ttft_ms") else "no_token"


def spread(values: Iterable[float]) -> Spread | None:
    """Return median and quartiles by nearest rank (CONTRACTS §6); None without a value."""
    found = sorted(values)
    if not found:
        return None
    median, low, high = (nearest_rank(found, percent) for percent in (50, 25, 75))
    return Spread(median=median, p25=low, p75=high, n=len(found))


def throughput_tps(sent: Sequence[Sent]) -> float | None:
    """Return the tokens a second of one round, all its streams together: from the first sent to the last that ended."""
    good = [one for one in sent if not one.error]
    if len(good) < len(sent) or not good:
        return None
    begin_s = min(one.time_s for one in good)
    end_s = max(one.time_s + one.record.e2e_ms / 1e3 for one in good)
    tokens = sum(one.record.output_tokens for one in good)
    return tokens / (end_s - begin_s) if end_s > begin_s else None


def sum_up(cell: CompareCell, rounds: Sequence[Sequence[Sent]]) -> None:
    """Fill a cell from its rounds; what nothing was measured of stays unset."""
    sent = [one for round_ in rounds for one in round_]
    good = [one.record for one in sent if not one.error]
    columns = {
        "ttft_ms": spread(record.ttft_ms for record in good if record.HasField("ttft_ms")),
        "tpot_ms": spread(record.tpot_ms for record in good if record.HasField("tpot_ms")),
        "counted_prompt_tokens": spread(record.prompt_tokens for record in good if record.HasField("prompt_tokens")),
        "output_tokens": spread(record.output_tokens for record in good if record.HasField("output_tokens")),
        "throughput_tps": spread(rate for round_ in rounds if (rate := throughput_tps(round_)) is not None),
    }
    for name, column in columns.items():
        if column is not None:
            getattr(cell, name).CopyFrom(column)
    cell.failed = len(sent) - len(good)
    cell.error = next((one.error for one in reversed(sent) if one.error), "")
    cell.disturbed = sum(one.disturbed for one in sent)


def put_joules(cell: CompareCell, records: Sequence[RequestRecord]) -> None:
    """Set the joules a token of the records of a cell's time, where every one of them was measured.

    One number of all requests together, and the spread over requests.
    """
    told = [record for record in records if record.HasField("joules") and record.output_tokens]
    if not told or len(told) < len(records):
        return
    cell.joules_per_token = sum(record.joules for record in told) / sum(record.output_tokens for record in told)
    if (each := spread(record.joules / record.output_tokens for record in told)) is not None:
        cell.joules_per_token_spread.CopyFrom(each)
    kinds = {record.joules_attribution for record in told}
    cell.joules_attribution = kinds.pop() if len(kinds) == 1 else "unknown" if "unknown" in kinds else "shared"


def put_vram(cell: CompareCell, measured: Sequence[int]) -> None:
    """Set the video memory from what was measured after each round so far, in bytes, the newest last."""
    if (each := spread(measured)) is not None:
        cell.vram_bytes = measured[-1]
        cell.vram_bytes_spread.CopyFrom(each)
