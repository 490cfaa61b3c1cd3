"""What several pages count, each from its own opening, as one counter."""

from services.gateway.page_counters import PageCounters

METRIC = "ui.dropped_frames"


class Page:
    """A connection."""


def test_two_pages_in_turn_are_one_counter_that_grows_by_what_each_dropped() -> None:
    counters, one, other = PageCounters(), Page(), Page()
    told = [(one, 5), (other, 100), (one, 6), (other, 103), (one, 6), (other, 104)]
    assert [counters.summed(page, METRIC, value) for page, value in told] == [0, 0, 1, 4, 4, 5]


def test_page_that_is_loaded_again_or_connects_again_takes_nothing_back_and_counts_nothing_twice() -> None:
    counters, page = PageCounters(), Page()
    assert [counters.summed(page, METRIC, value) for value in (0, 7, 2, 3)] == [0, 7, 9, 10]
    assert counters.summed(Page(), METRIC, 3) == 10
    assert counters.summed(page, "ui.other", 1) == 0
