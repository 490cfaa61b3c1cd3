"""What a change means: profiles take their followers along, consents bind, undo gives back what was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.settings_catalogue import (
    SettingError,
    SettingSpec,
    consent_specs,
    defaults,
    settings_catalogue,
    to_json,
)
from services.governance.plan import (
    ConsentStep,
    Made,
    Plan,
    Refused,
    Step,
    UnknownConsent,
    in_force,
    plan_change,
    plan_consent,
    plan_undo,
)

NAMES = "privacy.record.process_names"
CONSENT = "record.process_names"
WORDING = consent_specs()[CONSENT].wording


def fresh() -> dict[str, str]:
    return {key: to_json(value) for key, value in defaults().items()}


def applied(plan: Plan, settings: dict[str, str]) -> dict[str, str]:
    return settings | {step.key: step.value for step in plan.steps}


def undo_of(plan: Plan) -> list[Made]:
    return [Made("c", step.key, step.value, step.undo) for step in plan.steps]


def test_change_carries_the_value_before_as_its_undo() -> None:
    plan = plan_change("collector.rate.resource_hz", "20", fresh(), {})
    assert plan.steps == (Step("collector.rate.resource_hz", "20.0", "10.0"),)


def test_change_to_the_value_in_force_has_no_steps() -> None:
    assert plan_change("collector.rate.resource_hz", "10", fresh(), {}) == Plan()


def test_strict_profile_takes_all_recording_along_and_withdraws_consents() -> None:
    settings = fresh() | {NAMES: "true"}
    plan = plan_change("privacy.profile", '"strict"', settings, {CONSENT: True})
    assert plan.steps[0] == Step("privacy.profile", '"strict"', '"standard"')
    after = applied(plan, settings)
    assert {key for key in after if key.startswith("privacy.record.") and after[key] == "true"} == set()
    assert plan.consents == (ConsentStep(CONSENT, False, WORDING),)


def test_standard_profile_brings_back_its_defaults_but_no_consent() -> None:
    strict = applied(plan_change("privacy.profile", '"strict"', fresh(), {}), fresh())
    assert applied(plan_change("privacy.profile", '"standard"', strict, {}), strict) == fresh()


def test_a_setting_that_a_new_version_brings_stands_as_the_profile_chosen_before() -> None:
    """Who chose strict before there was a switch for models has said nothing of it; nothing is recorded meanwhile."""
    models = "privacy.record.models"
    strict = applied(plan_change("privacy.profile", '"strict"', fresh(), {}), fresh())
    stored = {key: value for key, value in strict.items() if key != models}
    assert in_force(stored) == (strict, [])
    assert in_force(stored | {models: "true"})[0][models] == "true"
    assert in_force({})[0][models] == "true"


def test_process_names_are_refused_without_consent_in_its_words() -> None:
    with pytest.raises(Refused, match="Record the names of running programs"):
        plan_change(NAMES, "true", fresh(), {})


def test_giving_the_consent_turns_the_setting_on() -> None:
    plan = plan_consent(CONSENT, True, WORDING, fresh())
    assert plan == Plan((Step(NAMES, "true", "false"),), (ConsentStep(CONSENT, True, WORDING),))


def test_consent_to_other_words_is_refused() -> None:
    with pytest.raises(Refused, match="word for word"):
        plan_consent(CONSENT, True, "ok", fresh())


def test_withdrawing_needs_no_words() -> None:
    plan = plan_consent(CONSENT, False, "", fresh() | {NAMES: "true"})
    assert plan.steps == (Step(NAMES, "false", "true"),)


def test_unknown_consent_names_the_known_ones() -> None:
    with pytest.raises(UnknownConsent, match=CONSENT):
        plan_consent("share.everything", True, "", fresh())


def test_undo_is_refused_when_a_later_change_stands_on_it() -> None:
    settings = fresh() | {"collector.rate.resource_hz": "30.0"}
    with pytest.raises(Refused, match="has been changed since"):
        plan_undo([Made("c", "collector.rate.resource_hz", "20.0", "10.0")], settings, {})


def test_undo_never_brings_a_withdrawn_consent_back() -> None:
    with pytest.raises(Refused, match=CONSENT):
        plan_undo([Made("c", NAMES, "false", "true")], fresh(), {CONSENT: False})


def test_stored_values_that_no_longer_fit_fall_back_and_are_said() -> None:
    values, complaints = in_force({"collector.rate.trend_hz": "99", "gone.key": "1", "recording.enabled": "false"})
    assert values == fresh() | {"recording.enabled": "false"}
    assert len(complaints) == 2
    assert any("collector.rate.trend_hz" in text for text in complaints)
    assert any("gone.key" in text for text in complaints)


def _values(spec: SettingSpec) -> st.SearchStrategy[object]:
    if spec.type == "bool":
        return st.booleans()
    if spec.choices:
        return st.sampled_from(spec.choices)
    if spec.type == "text":
        return st.text(max_size=20)
    assert spec.minimum is not None
    assert spec.maximum is not None
    if spec.type == "int":
        return st.integers(int(spec.minimum), int(spec.maximum))
    return st.floats(spec.minimum, spec.maximum)


# What goes on with a consent alone is no change like the others.
UNBOUND = sorted(key for key, spec in settings_catalogue().items() if not spec.consent)
changes = st.sampled_from(UNBOUND).flatmap(lambda key: st.tuples(st.just(key), _values(settings_catalogue()[key])))


@given(st.lists(changes, min_size=1, max_size=12))
def test_any_sequence_undone_backwards_returns_to_the_first_state(sequence: list[tuple[str, str]]) -> None:
    settings, made = fresh(), []
    for key, value in sequence:
        plan = plan_change(key, to_json(value), settings, {})
        settings = applied(plan, settings)
        made.append(undo_of(plan))
    for group in reversed(made):
        settings = applied(plan_undo(group, settings, {}), settings)
    assert settings == fresh()


@given(st.sampled_from(sorted(settings_catalogue())), st.text())
def test_rubbish_is_refused_with_the_key(key: str, text: str) -> None:
    spec = settings_catalogue()[key]
    try:
        spec.parse(text)
    except SettingError:
        with pytest.raises(SettingError, match=key.replace(".", r"\.")):
            plan_change(key, text, fresh(), {})
