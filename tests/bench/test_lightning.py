"""Which token a lightning belongs to, by where it stands."""

from tests.bench.harness.lightning import Seen, lags_ms

PX_A_MS = 0.09


def test_each_lightning_is_counted_from_its_own_token() -> None:
    made_ms = [1000.0 + 150.0 * at for at in range(40)]
    late_ms = [17.0 + 9.0 * (at % 12) for at in range(40)]
    seen = [Seen(made + late, (late - 12.0) * PX_A_MS) for made, late in zip(made_ms, late_ms, strict=True)]
    assert lags_ms(made_ms, seen, PX_A_MS) == late_ms


def test_a_token_that_shared_its_frame_is_no_one_elses() -> None:
    made_ms = [1000.0, 1150.0, 1300.0]
    seen = [Seen(1020.0, 1.0), Seen(1330.0, 1.5)]
    assert lags_ms(made_ms, seen, PX_A_MS) == [20.0, 30.0]
    assert lags_ms(made_ms, [], PX_A_MS) == []
