"""Rows that wait for the beat: in order, none lost, and at once for whoever asks."""

from hypothesis import given
from hypothesis import strategies as st

from bus import topics
from bus.outbox import MOST_HELD, Outbox

ROW = topics.sample("system")
HEALTH = topics.health("collector")

# What may happen: a message of a topic, a beat, a listener who comes or goes.
STEPS = st.lists(st.sampled_from([ROW, topics.PROCESSES, topics.event("spike"), HEALTH, "flush", "begins", "ends"]))


def outbox() -> tuple[Outbox, list[tuple[str, bytes]]]:
    sent: list[tuple[str, bytes]] = []
    return Outbox(lambda topic, payload: sent.append((topic, payload))), sent


def test_rows_leave_together_before_the_heartbeat() -> None:
    box, sent = outbox()
    for number in range(10):
        box.send(ROW, bytes([number]))
    box.send(topics.PROCESSES, b"table")
    assert sent == []
    box.send(HEALTH, b"head")
    assert [topic for topic, _ in sent] == [ROW] * 10 + [topics.PROCESSES, HEALTH]


def test_who_asks_gets_what_waits_then_the_word_that_nothing_does_then_each_row_at_once() -> None:
    box, sent = outbox()
    box.send(ROW, b"1")
    box.on_subscription(topics.PROMPT, True)
    assert sent == [(ROW, b"1"), (topics.PROMPT, b"")]
    box.send(ROW, b"2")
    assert sent[-1] == (ROW, b"2")
    box.on_subscription(topics.PROMPT, False)
    box.send(ROW, b"3")
    assert sent[-1] == (ROW, b"2")


def test_another_subscription_changes_nothing() -> None:
    box, sent = outbox()
    box.on_subscription(topics.SAMPLES, True)
    box.send(ROW, b"1")
    assert sent == []


def test_a_beat_that_does_not_come_is_not_waited_for_beyond_the_bound() -> None:
    box, sent = outbox()
    for _ in range(MOST_HELD + 1):
        box.send(ROW, b"")
    assert len(sent) == MOST_HELD + 1


@given(STEPS)
def test_everything_leaves_once_and_in_the_order_in_which_it_came(steps: list[str]) -> None:
    box, sent = outbox()
    given_in: list[tuple[str, bytes]] = []
    for number, step in enumerate(steps):
        if step == "flush":
            box.flush()
        elif step in ("begins", "ends"):
            box.on_subscription(topics.PROMPT, step == "begins")
        else:
            given_in.append((step, str(number).encode()))
            box.send(*given_in[-1])
        assert [one for one in sent if one[0] != topics.PROMPT] == given_in[: len(given_in) - len(box)]
    box.flush()
    assert [one for one in sent if one[0] != topics.PROMPT] == given_in
