"""The server of llama-cpp-python (0.3): it lists its models and tells no numbers; the tap has them."""

from __future__ import annotations

import msgspec

from bus.runtime_names import LLAMA_CPP_PYTHON
from services.collector.runtime.candidates import Candidate, First
from services.collector.runtime.door import Door
from services.collector.runtime.reading import Reading


class Listed(msgspec.Struct):
    id: str


class Models(msgspec.Struct):
    data: list[Listed] = []


class LlamaCppPython:
    name = LLAMA_CPP_PYTHON

    def __init__(self, candidate: Candidate) -> None:
        pass

    @staticmethod
    def recognises(first: First) -> bool:
        return first.owners == {"me"}

    def look(self, door: Door, now_s: float) -> Reading:
        """It loads one of its models at a time and does not tell which: with several, none is called loaded."""
        reading = Reading(self.name, note="it tells no counters; the tap measures its requests")
        listed = door.json("/v1/models", Models).data
        if len(listed) == 1:
            reading.model(listed[0].id)
        return reading
