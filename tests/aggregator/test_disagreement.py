"""From the tap's rows to the board."""

import math

from wfmonitor.v1.sample_pb2 import Label, RateGroup, SampleBatch, SeriesKey

from bus.series import Series, schema_hash
from services.aggregator.batch import read_batch
from services.aggregator.disagreement import METRIC, DisagreementEar

COLUMNS = tuple(Series(METRIC, "model:a", (("other", other),)) for other in ("b", "c"))


def batch(values: list[float], *, named: bool, producer: str = "tap", metric: str = METRIC) -> SampleBatch:
    columns = [one._replace(metric=metric) for one in COLUMNS]
    made = SampleBatch(
        producer=producer,
        epoch=1,
        seq=1,
        source="model:a",
        group=RateGroup.RATE_GROUP_RESOURCE,
        rate_hz=10.0,
        schema=schema_hash(columns),
        times_us=[9_000_000],
        boot_us=[5_000_000],
        values=values,
    )
    if named:
        for one in columns:
            made.series.add().CopyFrom(SeriesKey(metric=metric, labels=[Label(name="other", value=one.labels[0][1])]))
    return made


def test_each_value_that_is_there_is_passed_on_with_its_time() -> None:
    heard: list[tuple[str, str, float, float]] = []
    ear = DisagreementEar(lambda *told: heard.append(told))
    ear.hear(read_batch(batch([0.1, 0.2], named=False)))
    assert heard == [], "columns that were never named"
    ear.hear(read_batch(batch([0.25, math.nan], named=True)))
    ear.hear(read_batch(batch([math.nan, 0.75], named=False)))
    assert heard == [("a", "b", 0.25, 5.0), ("a", "c", 0.75, 5.0)]


def test_rows_of_others_and_other_metrics_are_passed_over() -> None:
    heard: list[tuple[str, str, float, float]] = []
    ear = DisagreementEar(lambda *told: heard.append(told))
    ear.hear(read_batch(batch([0.25, 0.5], named=True, producer="gateway")))
    ear.hear(read_batch(batch([0.25, 0.5], named=True, metric="model.tps")))
    assert heard == []
