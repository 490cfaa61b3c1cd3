"""Events and what things are."""

from pathlib import Path

from wfmonitor.v1.event_pb2 import Event

from services.aggregator.records import DAY_US, Info, Records, with_news
from tests.aggregator.blocks import T0, open_store


def event(number: int, time_us: int, kind: str = "restart") -> Event:
    return Event(id=f"{number:08}", kind=kind, time_us=time_us, source="monitor:collector", title="restarted")


async def test_events_are_kept_once_and_come_in_order(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    records = Records(store)
    await records.keep([event(2, T0 + 2), event(1, T0 + 1, "spike")])
    await records.keep([event(2, T0 + 2), event(3, T0 + 3)])
    assert [e.id for e in await records.events(T0, T0 + 3)] == ["00000001", "00000002", "00000003"]
    assert [e.id for e in await records.events(T0 + 1, T0 + 2)] == ["00000002"]
    assert [e.id for e in await records.events(0, T0 + 9, limit=2)] == ["00000002", "00000003"]
    [spike] = await records.events(0, T0 + 9, kind="spike")
    assert spike == event(1, T0 + 1, "spike")
    store.close()


async def test_old_and_surplus_events_go(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    records = Records(store)
    await records.keep([event(n, T0 + n * DAY_US) for n in range(100)])
    assert await records.cut(T0 + 99 * DAY_US) == 9
    assert await records.cut(T0 + 99 * DAY_US, most=10) == 81
    assert len(await records.events(0, T0 * 2)) == 10
    assert await records.cut(T0 + 99 * DAY_US, most=10) == 0
    store.close()


async def test_info_is_written_when_it_changes(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    records = Records(store)
    assert await records.note("gpu:0", {"name": "H100", "driver": "570"}, T0) == 2
    assert await records.note("gpu:0", {"name": "H100", "driver": "570"}, T0 + 1) == 0
    assert await records.note("gpu:0", {"driver": "580"}, T0 + 2) == 1
    assert await records.info("gpu:0") == [
        Info("gpu:0", "driver", "580", T0 + 2),
        Info("gpu:0", "name", "H100", T0),
    ]
    assert [info.value for info in await records.history("gpu:0", "driver")] == ["570", "580"]
    store.close()


def told(number: int, time_us: int, kind: str = "model_info", **attributes: str) -> Event:
    return Event(id=f"{number:08}", kind=kind, time_us=time_us, source="model:m", attributes=attributes)


async def test_what_events_say_of_a_model_is_kept_with_the_time_of_its_change(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    records = Records(store)
    await records.keep([told(1, T0, quantisation="Q4_K_M", port="8080", runtime="llama.cpp")])
    await records.keep([told(2, T0 + 1, "model_load", quantisation="Q8_0", load_ms="900", runtime="llama.cpp")])
    await records.keep([event(3, T0 + 2)])
    quantisation, runtime = Info("model:m", "quantisation", "Q8_0", T0 + 1), Info("model:m", "runtime", "llama.cpp", T0)
    assert await records.info("model:*") == await records.info("") == [quantisation, runtime]
    assert await records.info("model:") == await records.info("gpu:*") == []
    assert [info.value for info in await records.history("model:m", "quantisation")] == ["Q4_K_M", "Q8_0"]
    store.close()


def test_what_is_not_kept_yet_is_told_all_the_same() -> None:
    kept = [Info("model:m", "quantisation", "Q4_K_M", T0)]
    news = [told(1, T0 - 1, quantisation="Q2_K"), told(2, T0 + 1, quantisation="Q8_0"), told(3, T0 + 2, version="b1")]
    expected = [Info("model:m", "quantisation", "Q8_0", T0 + 1), Info("model:m", "version", "b1", T0 + 2)]
    assert with_news(kept, news, "model:*") == with_news(kept, news, "model:m") == expected
    assert with_news(kept, news, "gpu:0") == kept
    assert with_news(kept, [told(4, T0 + 3, quantisation="Q4_K_M")], "") == kept
