"""All GPUs of a machine together, as source gpu:total. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from services.collector.sampler import NAN


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


# How a field adds up. Clocks and reasons do not: they are left out.
RULES: dict[str, Callable[[Sequence[float]], float]] = {
    "util_percent": _mean,
    "mem_util_percent": _mean,
    "encoder_percent": _mean,
    "decoder_percent": _mean,
    "temp_c": max,
    "mem_used_bytes": sum,
    "mem_total_bytes": sum,
    "power_w": sum,
    "pcie_rx_bytes_s": sum,
    "pcie_tx_bytes_s": sum,
    "energy_j": sum,
}


def total(field: str, values: Sequence[float]) -> float:
    """The field over all GPUs; absent as soon as it is absent for one: part of a sum is not the sum."""
    return NAN if not values or any(value != value for value in values) else RULES[field](values)
