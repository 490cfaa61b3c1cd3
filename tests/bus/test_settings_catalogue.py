"""The settings catalogue: complete, consistent, and one clear refusal for everything else."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus import settings_catalogue as catalogue
from bus.settings_catalogue import SettingError, UnknownSetting
from services.collector.samplers import SAMPLERS

SPECS = catalogue.settings_catalogue()
SERVICES = {"collector", "aggregator", "gateway", "governance", "tap"}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("key", SPECS)
def test_every_setting_explains_itself(key: str) -> None:
    spec = SPECS[key]
    assert spec.meaning.endswith(".")
    assert spec.live_effect.endswith(".")
    assert spec.target in SERVICES
    if spec.type in ("int", "float"):
        assert spec.unit
        assert spec.minimum is not None
        assert spec.maximum is not None
    if spec.type == "choice":
        assert len(spec.choices) >= 2


def test_every_sampler_has_its_switch_and_every_switch_its_sampler() -> None:
    switches = {key.split(".")[2] for key in SPECS if key.startswith("collector.sampler.")}
    assert switches == set(SAMPLERS)


def test_defaults_are_those_of_the_privacy_contract() -> None:
    defaults = catalogue.defaults()
    assert defaults["recording.enabled"] is True
    assert defaults["privacy.record.machine"] is True
    assert defaults["privacy.record.process_names"] is False
    assert defaults["privacy.show.process_names"] is True
    assert defaults["privacy.record.ui"] is True


def test_nothing_can_be_shared_by_a_setting() -> None:
    assert not [key for key in SPECS if "share" in key]


def test_strict_profile_turns_everything_recorded_off() -> None:
    strict = catalogue.profile_values("strict")
    assert set(strict) == {key for key in SPECS if key.startswith("privacy.record.")}
    assert not any(strict.values())


def test_unknown_key_names_the_nearest() -> None:
    with pytest.raises(UnknownSetting, match=r"collector\.rate\.resource_hz") as refused:
        catalogue.find("collector.rate.resource")
    assert refused.value.nearest == "collector.rate.resource_hz"


def test_unknown_key_like_nothing_points_to_the_list() -> None:
    with pytest.raises(UnknownSetting, match="wfmon settings list"):
        catalogue.find("☃")


@pytest.mark.parametrize(
    ("key", "value", "mend"),
    [
        ("recording.enabled", 1, "true or false"),
        ("recording.enabled", "true", "true or false"),
        ("privacy.profile", "lax", "one of standard, strict"),
        ("privacy.profile", None, "one of its choices"),
        ("collector.rate.resource_hz", True, "a number"),
        ("collector.rate.resource_hz", 61, "from 0.1 to 60 Hz"),
        ("collector.rate.resource_hz", -(10**400), "from 0.1 to 60 Hz"),
        ("collector.rate.resource_hz", math.nan, "a number"),
        ("collector.rate.resource_hz", math.inf, "a number"),
        ("storage.budget_bytes", 1.5e9 + 0.5, "a whole number"),
        ("storage.budget_bytes", 7, "from 50000000 to 1000000000000 bytes"),
        ("storage.budget_bytes", [2_000_000_000], "a whole number"),
    ],
)
def test_wrong_value_names_key_value_and_mend(key: str, value: object, mend: str) -> None:
    with pytest.raises(SettingError) as refused:
        SPECS[key].check(value)
    assert key in str(refused.value)
    assert mend in str(refused.value)
    assert len(str(refused.value)) < 300


def test_whole_number_is_accepted_where_a_fraction_may_stand() -> None:
    value = SPECS["collector.rate.resource_hz"].parse("20")
    assert value == 20.0
    assert isinstance(value, float)


@pytest.mark.parametrize("text", ["", "tru", "[" * 100_000, "{", "NaN"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match=r"collector\.budget_percent cannot be"):
        SPECS["collector.budget_percent"].parse(text)


@given(st.sampled_from(sorted(SPECS)), json_values)
def test_any_value_is_accepted_in_its_own_type_or_refused_by_name(key: str, value: object) -> None:
    spec = SPECS[key]
    refusal = ""
    try:
        accepted = spec.check(value)
    except SettingError as refused:
        refusal = str(refused)
    if refusal:
        assert key in refusal
        return
    assert type(accepted).__name__ == {"choice": "str", "text": "str"}.get(spec.type, spec.type)
    assert spec.parse(catalogue.to_json(accepted)) == accepted
    assert json.loads(catalogue.to_json(accepted)) == accepted


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ('type = "bool"', "lacks default"),
        ('type = "bol"\ndefault = 1\nmeaning = "m"\nlive = "l"\ntarget = "t"', "unknown type"),
        ('type = "int"\ndefault = 1\nmeaning = "m"\nlive = "l"\ntarget = "t"\nmaximun = 1', "unknown field"),
        ('type = "int"\ndefault = 9\nmeaning = "m"\nlive = "l"\ntarget = "t"\nmaximum = 1', "cannot be 9"),
        (
            'type = "bool"\ndefault = true\nmeaning = "m"\nlive = "l"\ntarget = "t"\nconsent = "c"',
            "needs a consent",
        ),
    ],
)
def test_catalogue_that_contradicts_itself_is_refused(entry: str, fault: str) -> None:
    with pytest.raises(SettingError, match=fault):
        catalogue.load('["a.b"]\n' + entry)
