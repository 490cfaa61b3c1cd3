"""Units as senders spell them (UCUM, and what is really sent), as factors to the unit that a convention names. Pure."""

# unit of the convention → spelling → factor. An empty unit is taken for the convention's own.
_SPELLINGS: dict[str, dict[str, float]] = {
    "s": {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "milliseconds": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60.0},
    "1": {"1": 1.0, "ratio": 1.0, "%": 0.01, "percent": 0.01, "10^2.%": 1.0},
    # A bare MB is a MiB, as nvidia-smi prints it (CONTRACTS §1); UCUM's MBy is a million.
    "By": {
        "By": 1.0, "bytes": 1.0, "KiBy": 2.0**10, "MiBy": 2.0**20, "GiBy": 2.0**30,
        "kBy": 1e3, "MBy": 1e6, "GBy": 1e9, "MB": 2.0**20, "MiB": 2.0**20,
    },
    "W": {"W": 1.0, "mW": 1e-3, "watt": 1.0, "watts": 1.0, "Watt": 1.0},
    "J": {"J": 1.0, "mJ": 1e-3, "kJ": 1e3, "W.h": 3600.0, "Wh": 3600.0, "kW.h": 3.6e6, "kWh": 3.6e6},
    "Cel": {"Cel": 1.0, "C": 1.0, "°C": 1.0, "celsius": 1.0, "Celsius": 1.0},
    "rpm": {"rpm": 1.0, "{revolution}/min": 1.0},
}  # fmt: skip


def factor(told: str, wanted: str) -> float | None:
    """What a value in `told` is to be multiplied with; None where it is no unit of that kind.

    Counts of things carry their thing in braces ({token}, {request}), which is a remark: any such will do.
    """
    if not told:
        return 1.0
    spellings = _SPELLINGS.get(wanted)
    if spellings is not None:
        return spellings.get(told)
    return 1.0 if told == "1" or told.strip("{}").rstrip("s") == wanted.strip("{}").rstrip("s") else None
