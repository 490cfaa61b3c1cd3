"""Ollama (checked against 0.13): `/api/ps` tells what is loaded; it has no `/metrics`.

Tokens and times are in the answers to its clients only: the tap has them.
"""

from __future__ import annotations

import msgspec

from bus.runtime_names import OLLAMA
from services.collector.runtime.candidates import Candidate, First
from services.collector.runtime.door import Door
from services.collector.runtime.reading import Reading, facts


class Details(msgspec.Struct):
    parameter_size: str = ""
    quantization_level: str = ""


class Loaded(msgspec.Struct):
    """The part of an entry of `/api/ps` that is read."""

    name: str = ""
    size: float = 0.0
    size_vram: float | None = None
    context_length: int = 0
    expires_at: str = ""
    details: Details = msgspec.field(default_factory=Details)


class Ps(msgspec.Struct):
    models: list[Loaded] | None = None


class Version(msgspec.Struct):
    version: str


class Ollama:
    name = OLLAMA
    proof = "/api/version"

    def __init__(self, candidate: Candidate) -> None:
        self._version = ""

    @staticmethod
    def recognises(first: First) -> bool:
        """Its models are owned by "library", or by the user whose they are: the proof decides."""
        return False

    @staticmethod
    def proves(body: bytes) -> bool:
        return bool(msgspec.json.decode(body, type=Version).version)

    def look(self, door: Door, now_s: float) -> Reading:
        reading = Reading(self.name)
        if not self._version:
            self._version = door.json("/api/version", Version).version
        reading.version = self._version
        for loaded in door.json("/api/ps", Ps).models or ():
            model = reading.model(loaded.name)
            model.info = facts(
                quantisation=loaded.details.quantization_level,
                parameters=loaded.details.parameter_size,
                context_length=loaded.context_length,
                size_bytes=int(loaded.size),
                version=self._version,
            )
            model.used = loaded.expires_at  # put off by each request
            reading.put(loaded.name, "vram_bytes", loaded.size_vram)
            if loaded.size_vram is not None and loaded.size > 0.0:
                reading.put(loaded.name, "gpu_share_ratio", loaded.size_vram / loaded.size)
        return reading
