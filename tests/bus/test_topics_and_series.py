"""Names on the bus."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus import topics
from bus.series import Series, from_key, schema_hash, to_key

NAMES = st.text(min_size=1, max_size=30)


def test_a_prefix_of_one_source_never_matches_another() -> None:
    assert not topics.sample("gpu:10").startswith(topics.sample("gpu:1"))


@given(NAMES)
def test_any_name_gives_an_ascii_topic_of_one_level(name: str) -> None:
    topic = topics.sample(name)
    assert topic.isascii()
    assert topic.count("/") == 3
    assert topic.endswith("/")


@given(NAMES, NAMES.filter(lambda text: not text.endswith(".")), st.sampled_from(["p95", "avg"]))
def test_a_window_topic_tells_its_query(window: str, metric: str, stat: str) -> None:
    assert topics.parse_window(topics.window(window, metric, stat)) == (window, metric, stat)


@pytest.mark.parametrize("topic", ["1/window/", "1/window/10s/x/", "1/sample/system/", "1/window/10s/a.b", ""])
def test_what_is_no_window_topic_is_refused(topic: str) -> None:
    with pytest.raises(ValueError, match=r"1/window/<window>/<metric>\.<stat>/"):
        topics.parse_window(topic)


LABELS = st.dictionaries(NAMES, st.text(max_size=10), max_size=3).map(lambda d: tuple(sorted(d.items())))
SERIES = st.builds(Series, NAMES, NAMES, LABELS)


@given(SERIES, NAMES)
def test_a_series_survives_its_protobuf_form(series: Series, table: str) -> None:
    assert from_key(to_key(series, table), table) == series


@given(st.lists(SERIES, max_size=4), st.lists(SERIES, max_size=4))
def test_equal_columns_and_only_those_have_equal_hashes(one: list[Series], two: list[Series]) -> None:
    assert (schema_hash(one) == schema_hash(two)) == (one == two)
