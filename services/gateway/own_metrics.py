"""The gateway's own figures, once a second: as series of `monitor:gateway`, and as counters of its health."""

import asyncio
from collections.abc import Callable, Mapping

from wfmonitor.v1.sample_pb2 import RateGroup

from bus.clock import boot_us, until_beat_s, wall_us
from bus.samples import SampleProducer
from bus.series import Series

SOURCE = "monitor:gateway"
_EACH_S = 1.0


async def report(
    samples: SampleProducer,
    counters: dict[str, float],
    read: Callable[[], Mapping[str, float]],
    series: Mapping[str, Series],
) -> None:
    """Publishes, for ever, what `read` returns: all of it in health, what `series` names as rows as well."""
    table = samples.table(SOURCE, RateGroup.RATE_GROUP_TREND, 1.0 / _EACH_S)
    columns = tuple(sorted(series.values()))
    names = {one: name for name, one in series.items()}
    while True:
        await asyncio.sleep(until_beat_s())
        figures = read()
        counters.update(figures)
        table.write(columns, [wall_us()], [boot_us()], [figures[names[column]] for column in columns])
