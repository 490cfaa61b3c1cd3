"""LM Studio: `/api/v1/models` (0.4), else `/api/v0/models` (0.3.6), tells which models are loaded. No `/metrics`."""

from __future__ import annotations

import msgspec

from bus.runtime_names import LM_STUDIO
from services.collector.runtime.candidates import Candidate, First
from services.collector.runtime.door import Door, Refused
from services.collector.runtime.reading import Reading, facts


class Quantization(msgspec.Struct):
    name: str | None = ""


class Config(msgspec.Struct):
    context_length: int = 0


class Instance(msgspec.Struct):
    id: str = ""
    config: Config = msgspec.field(default_factory=Config)


class New(msgspec.Struct):
    """A model of `/api/v1/models`."""

    key: str
    size_bytes: int | None = 0
    params_string: str | None = ""
    quantization: Quantization | None = None
    loaded_instances: list[Instance] = []


class NewList(msgspec.Struct):
    models: list[New]


class Old(msgspec.Struct):
    """A model of `/api/v0/models`."""

    id: str
    state: str = ""
    quantization: str | None = ""
    loaded_context_length: int = 0


class OldList(msgspec.Struct):
    data: list[Old]


class LmStudio:
    name = LM_STUDIO
    proof = "/api/v1/models"
    loads_without_port = True
    """Its server may be switched on when its models are long loaded."""

    def __init__(self, candidate: Candidate) -> None:
        self._old = False

    @staticmethod
    def recognises(first: First) -> bool:
        return "organization_owner" in first.owners

    @staticmethod
    def proves(body: bytes) -> bool:
        msgspec.json.decode(body, type=NewList)
        return True

    def look(self, door: Door, now_s: float) -> Reading:
        reading = Reading(self.name, note="it tells no counters; the tap measures its requests")
        if not self._old:
            try:
                self._read_new(reading, door.json("/api/v1/models", NewList))
                return reading
            except Refused as refused:
                if refused.status != 404:
                    raise
                self._old = True
        for old in door.json("/api/v0/models", OldList).data:
            if old.state == "loaded":
                model = reading.model(old.id)
                model.info = facts(quantisation=old.quantization, context_length=old.loaded_context_length)
        return reading

    @staticmethod
    def _read_new(reading: Reading, listed: NewList) -> None:
        for new in listed.models:
            for instance in new.loaded_instances:
                model = reading.model(instance.id or new.key)
                model.info = facts(
                    quantisation=(new.quantization or Quantization()).name,
                    parameters=new.params_string,
                    context_length=instance.config.context_length,
                    size_bytes=new.size_bytes,
                )
