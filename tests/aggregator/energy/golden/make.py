"""Makes the golden traces and pairs beside this file by the words of CONTRACTS §2 and §3, with no line of the service.

    PYTHONPATH=. python -m tests.aggregator.energy.golden.make

A trace is walked millisecond by millisecond, and with each token E is made anew from all of them so far: slow, and
plain to read. What is expected is told each 100 ms, but not within 2 ms of a change, where both sides are right. A
pair is two lists of arrivals and what they must, or must not, be called.
"""

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent
STANDARD = {"tps_max": 20.0, "stall_ms": 400.0, "alpha": 0.35}
PROFILES = {
    "standard": STANDARD,
    "lite": {"tps_max": 10.0, "stall_ms": 500.0, "alpha": 0.30},
    "dual": {"tps_max": 14.0, "stall_ms": 400.0, "alpha": 0.35},
    "studio": {"tps_max": 20.0, "stall_ms": 350.0, "alpha": 0.40},
}
CEIL_MS, HALF_LIFE_MS, DRAINED_MS = 1500, 700, 2000


class Event(NamedTuple):
    at_ms: int
    what: str  # prompt, token, end
    request: str = "r"
    certainty: float | None = None


def share(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def after(tokens: list[Event], profile: dict[str, float]) -> float:
    """E right after the newest of these tokens: each smooths the decayed value of the one before."""
    energy, last_ms = 0.0, None
    for index, token in enumerate(tokens):
        if last_ms is not None:
            silent_ms = token.at_ms - last_ms
            energy *= 0.5 ** (max(silent_ms - profile["stall_ms"], 0.0) / HALF_LIFE_MS)
        tps = sum(token.at_ms - 1000 < other.at_ms <= token.at_ms for other in tokens[: index + 1])
        gap_ms = 0 if last_ms is None else token.at_ms - last_ms
        velocity = share(tps / profile["tps_max"])
        friction = 1.0 - share((gap_ms - profile["stall_ms"]) / (CEIL_MS - profile["stall_ms"]))
        if token.certainty is None:
            base = 0.7 * velocity + 0.3 * friction
        else:
            base = 0.5 * velocity + 0.3 * token.certainty + 0.2 * friction
        energy = profile["alpha"] * base + (1.0 - profile["alpha"]) * energy
        last_ms = token.at_ms
    return energy


def walk(events: list[Event], profile: dict[str, float], until_ms: int) -> list[dict[str, Any]]:
    """State, E and counts at each millisecond."""
    state, since_ms, slow, high_ms = "IDLE", 0, 0, None
    stalls = bursts = 0
    newest = 0.0
    bursting = False
    running: set[str] = set()
    past: list[int] = []
    seen: list[dict[str, Any]] = []
    tokens = [event for event in events if event.what == "token"]
    for now_ms in range(until_ms + 1):
        before = state
        for event in [event for event in events if event.at_ms == now_ms]:
            if event.what == "prompt":
                running.add(event.request)
                state = "CHARGING" if state in ("IDLE", "DRAINED") else state
            elif event.what == "token":
                running.add(event.request)
                first = state in ("IDLE", "CHARGING", "DRAINED")
                gap_ms = now_ms - past[-1] if past else math.inf
                late = gap_ms > profile["stall_ms"] and not first
                stalls += late  # a gap between tokens is known to be one when it ends
                slow = slow + 1 if late else 0
                if first:
                    state = "FLOWING"
                elif slow >= 2:
                    state = "STALLING"
                elif state == "STALLING" and slow == 0:
                    state = "FLOWING"
                past.append(now_ms)
            else:
                running.discard(event.request)
                if not running and state != "IDLE":
                    state = "DRAINED"
        fast = sum(now_ms - 1000 < at <= now_ms for at in past) > 0.6 * profile["tps_max"]
        bursts += fast and not bursting and bool(past) and past[-1] == now_ms
        bursting = fast
        if past and past[-1] == now_ms:
            newest = after([token for token in tokens if token.at_ms <= now_ms], profile)
        energy = newest * 0.5 ** (max(now_ms - past[-1] - profile["stall_ms"], 0.0) / HALF_LIFE_MS) if past else 0.0
        high_ms = None if energy < 0.85 else now_ms if high_ms is None else high_ms
        if state == "FLOWING" and high_ms is not None and now_ms - high_ms >= 800:
            state = "SATURATED"
        if state == "SATURATED" and energy < 0.7:
            state = "FLOWING"
        since_ms = now_ms if state != before else since_ms
        if state == "DRAINED" and now_ms - since_ms >= DRAINED_MS:
            state, since_ms = "IDLE", now_ms
        seen.append(
            {"at_ms": now_ms, "energy": round(energy, 9), "state": state, "stalls": stalls, "bursts": bursts,
             "tokens": len(past), "running": len(running)}
        )  # fmt: skip
    return seen


def expected(seen: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each 100 ms, where nothing but E changes 2 ms before and after."""
    kept = []
    for at in range(50, len(seen) - 2, 100):
        near = seen[at - 2 : at + 3]
        around = [{name: value for name, value in one.items() if name not in ("at_ms", "energy")} for one in near]
        if all(one == around[0] for one in around):
            kept.append(seen[at])
    return kept


def steady(from_ms: int, gap_ms: int, count: int, certainty: float | None = None, request: str = "r") -> list[Event]:
    return [Event(from_ms + index * gap_ms, "token", request, certainty) for index in range(count)]


def traces() -> dict[str, tuple[str, list[Event], str, int]]:
    """Name → profile, events, what it shows, how long."""
    chance = random.Random(7)
    times = sorted(chance.sample(range(300, 12_000), 120))
    uneven = [Event(at, "token", "r", round(chance.random(), 3)) for at in times]
    return {
        "steady_without_certainty": (
            "standard",
            [Event(0, "prompt"), *steady(310, 97, 80), Event(8100, "end")],
            "ten a second reach their base and hold it",
            12_000,
        ),
        "certain_and_fast_saturates": (
            "standard",
            [Event(0, "prompt"), *steady(203, 31, 120, 1.0), Event(9000, "end")],
            "above 0.85 for 800 ms, and below 0.7 some time after the last token",
            12_500,
        ),
        "two_slow_tokens_stall": (
            "standard",
            [*steady(10, 61, 20, 0.8), *steady(2200, 733, 4, 0.8), *steady(5100, 61, 20, 0.8)],
            "a gap is a stall once it ends, the state wants two of them, and one quick token ends it",
            9_000,
        ),
        "a_stall_wins_over_certainty": (
            "standard",
            steady(5, 41, 60, 1.0),
            "E falls by half each 700 ms after 400",
            12_000,
        ),
        "two_requests_at_once": (
            "dual",
            [
                Event(0, "prompt", "a"),
                Event(120, "prompt", "b"),
                *steady(400, 83, 40, None, "a"),
                *steady(431, 113, 40, 0.4, "b"),
                Event(3800, "end", "a"),
                Event(5200, "end", "b"),
                Event(6900, "prompt", "c"),
                *steady(7300, 67, 10, 0.9, "c"),
                Event(8000, "end", "c"),
            ],
            "the session drains with its last request, and charges again",
            11_500,
        ),
        "bursts_come_and_go": (
            "lite",
            [*steady(7, 29, 25), *steady(2900, 211, 8), *steady(6003, 29, 25), Event(7500, "end")],
            "each time above six a second is one burst",
            11_000,
        ),
        "uneven": (
            "studio",
            [Event(0, "prompt"), *uneven, Event(12_500, "end")],
            "gaps and certainty by chance",
            15_500,
        ),
        "a_prompt_without_answer": (
            "standard",
            [Event(40, "prompt"), Event(3000, "end")],
            "charges, drains, rests",
            6_000,
        ),
    }


def arrivals(rate: Callable[[float], float], until_s: float, seed: int, jitter: float = 0.05) -> list[int]:
    """Tokens in ms whose gaps are 1/rate, give or take a little."""
    chance, at_s, made = random.Random(seed), 0.0, []
    while at_s < until_s:
        made.append(round(at_s * 1000))
        at_s += (1.0 + chance.uniform(-jitter, jitter)) / rate(at_s)
    return made


def swing(t: float) -> float:
    return 30.0 * (1.0 + 0.5 * math.sin(2.0 * math.pi * t / 3.0))


def wander(seed: int) -> Callable[[float], float]:
    chance, values, value = random.Random(seed), [], 0.0
    for _ in range(700):
        value = 0.9 * value + chance.gauss(0.0, 0.15)
        values.append(30.0 * (1.0 + share(value / 1.4 + 0.5) * 1.4 - 0.7))
    return lambda t: values[int(t / 0.1) % 700]


def in_bursts(seed: int) -> list[int]:
    """Chunks of four to twelve tokens, each some 150 ms apart, by a clock of its own."""
    chance, at_ms, made = random.Random(seed), 0.0, []
    while at_ms < 60_000:
        made += [round(at_ms) + index for index in range(chance.randint(4, 12))]
        at_ms += chance.uniform(80, 380)
    return made


def pairs() -> dict[str, dict[str, Any]]:
    """Name → arrivals and what they are. interference: sign of r as shown in most windows, 0 in hardly any."""
    one = arrivals(swing, 60, 1)
    stopped = [at for at in arrivals(swing, 60, 2) if at < 30_000]
    later = arrivals(lambda t: swing(t if t < 30 else t - 0.4), 60, 2)
    opposed = arrivals(lambda t: swing(t + 1.5), 60, 2)
    even = [arrivals(lambda _: 30.0, 60, seed, 0.0) for seed in (1, 2)]
    return {
        "in_step": {"one": one, "other": arrivals(swing, 60, 2), "interference": 1, "resonance": True, "desync": False},
        "opposed": {"one": one, "other": opposed, "interference": -1, "resonance": False, "desync": False},
        "lagged": {"one": one, "other": later, "interference": None, "resonance": True, "desync": True},
        "independent": {"one": arrivals(wander(3), 60, 3), "other": arrivals(wander(4), 60, 4),
                        "interference": 0, "resonance": False, "desync": False},
        "steady": {"one": even[0], "other": even[1], "interference": 0, "resonance": False, "desync": False},
        "one_stopped": {"one": one, "other": stopped, "interference": None, "resonance": True, "desync": False},
        "bursts": {"one": in_bursts(5), "other": in_bursts(6), "interference": 0, "resonance": False, "desync": False},
    }  # fmt: skip


def main() -> None:
    for name, (profile, events, shows, until_ms) in traces().items():
        events = sorted(events)
        made = {
            "shows": shows,
            "profile": {"name": profile, **PROFILES[profile]},
            "events": [event._asdict() for event in events],
            "expected": expected(walk(events, PROFILES[profile], until_ms)),
        }
        write(f"trace_{name}.json", made)
    for name, pair in pairs().items():
        write(f"pair_{name}.json", pair)


def write(name: str, made: dict[str, Any]) -> None:
    """One line an event, so that a difference can be read."""
    parts = []
    for key, value in made.items():
        rows = value if key in ("events", "expected") else None
        text = json.dumps(value) if rows is None else "[\n  " + ",\n  ".join(map(json.dumps, rows)) + "\n ]"
        parts.append(f" {json.dumps(key)}: {text}")
    (FOLDER / name).write_text("{\n" + ",\n".join(parts) + "\n}\n")


if __name__ == "__main__":
    main()
