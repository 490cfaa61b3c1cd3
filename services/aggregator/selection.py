"""Which series a question means: a metric by name or alias, a source, labels (CONTRACTS §1)."""

from dataclasses import dataclass

from wfmonitor.v1.metrics_service_pb2 import Selector

from bus.catalogue import catalogue
from bus.series import Series


@dataclass(frozen=True, slots=True)
class Selection:
    """All series of a metric, narrowed by a source and by labels that must be equal."""

    metric: str
    source: str = ""
    labels: tuple[tuple[str, str], ...] = ()

    def matches(self, series: Series) -> bool:
        return (
            series.metric == self.metric
            and (not self.source or series.source == self.source)
            and all(label in series.labels for label in self.labels)
        )

    @property
    def narrows(self) -> bool:
        return bool(self.source or self.labels)


def selection(selector: Selector) -> Selection:
    """What a selector means. Raises bus.catalogue.UnknownMetric, naming the nearest, or ValueError for a bad label."""
    metric = catalogue().resolve(selector.metric, selector.source).metric
    for label in selector.labels:
        if label.name not in metric.labels:
            known = ", ".join(metric.labels) or "none"
            raise ValueError(f"selector.labels: {metric.name} has no label {label.name!r}; it has {known}")
    labels = tuple((label.name, label.value) for label in selector.labels)
    return Selection(metric.name, selector.source, labels)


def to_selector(chosen: Selection) -> Selector:
    """The protobuf form, with the metric's own name."""
    selector = Selector(metric=chosen.metric, source=chosen.source)
    for name, value in chosen.labels:
        selector.labels.add(name=name, value=value)
    return selector
