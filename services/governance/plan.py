"""What one change means: which keys get which values, which consents go with it, or why it cannot be.

Pure: the settings and consents in force come in, a `Plan` goes out; the store applies it as one transaction.
Values are canonical JSON texts throughout (`bus.settings_catalogue.to_json`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from bus.settings_catalogue import (
    SettingSpec,
    consent_specs,
    find,
    profile_values,
    settings_catalogue,
    to_json,
)

PROFILE = "privacy.profile"


class Refused(Exception):
    """The change is well formed but may not be made now; the message says why and what to do."""


class UnknownConsent(ValueError):
    """There is no such consent; the message names those there are."""


class Step(NamedTuple):
    """One setting of a change: its new value, and the one its undo restores."""

    key: str
    value: str
    undo: str


class ConsentStep(NamedTuple):
    """A consent given or withdrawn together with a change."""

    target: str
    given: bool
    wording: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of one change, the asked one first; empty where all is so already."""

    steps: tuple[Step, ...] = ()
    consents: tuple[ConsentStep, ...] = ()


class Made(NamedTuple):
    """A change as it was made, for its undo."""

    id: str
    key: str
    value: str
    undo: str


def plan_change(key: str, value: str, settings: Mapping[str, str], consents: Mapping[str, bool]) -> Plan:
    """Plan the setting of `key` to the JSON text `value`.

    `settings` holds every key with the value in force, `consents` the consents given. A change of the
    profile takes the settings that follow it along (CONTRACTS §11). Raises SettingError for an unknown key
    or a wrong value, Refused where a consent is missing.
    """
    spec = find(key)
    wanted = {key: to_json(spec.parse(value))}
    if key == PROFILE and wanted[key] != settings[key]:
        followers = profile_values(str(spec.parse(value)))
        wanted |= {follower: to_json(chosen) for follower, chosen in followers.items()}
    return _plan(wanted, settings, consents)


def plan_undo(changes: Iterable[Made], settings: Mapping[str, str], consents: Mapping[str, bool]) -> Plan:
    """Plan the undo of changes that were made together.

    Raises Refused where a later change stands on one of them, or where a consent would have to come back by
    itself.
    """
    wanted: dict[str, str] = {}
    for change in changes:
        spec = find(change.key)
        if settings[change.key] != change.value:
            raise Refused(
                f"{change.key} has been changed since, to {settings[change.key]}; undo that change first, "
                f"or set the value you want: wfmon settings set {change.key} {change.undo}"
            )
        wanted[change.key] = to_json(spec.parse(change.undo))
    return _plan(wanted, settings, consents)


def plan_consent(target: str, given: bool, wording: str, settings: Mapping[str, str]) -> Plan:
    """Plan the giving or withdrawing of a consent, with the setting that goes with it.

    A consent counts only for the sentence the person saw, so `wording` must be the catalogue's (it may be
    left out when withdrawing). Raises UnknownConsent, or Refused where the wording is another.
    """
    spec = consent_specs().get(target)
    if spec is None:
        known = ", ".join(sorted(consent_specs()))
        raise UnknownConsent(f"there is no consent called {target!r}; there is: {known}")
    if given and wording != spec.wording:
        raise Refused(f"a consent to {target} needs the sentence agreed to, word for word: {spec.wording}")
    value = to_json(given)
    steps = () if settings[spec.key] == value else (Step(spec.key, value, settings[spec.key]),)
    return Plan(steps, (ConsentStep(target, given, spec.wording),))


def in_force(stored: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return (every key with its value in force, what of `stored` no longer fits it, as sentences).

    A setting that follows the profile and was never set has the value of the profile: one that a new version brings
    records nothing for who chose strict.
    """
    values = {key: to_json(spec.default) for key, spec in settings_catalogue().items()}
    if stored.get(PROFILE) == to_json("strict"):
        values |= {key: to_json(value) for key, value in profile_values("strict").items()}
    complaints: list[str] = []
    for key, spec in settings_catalogue().items():
        if key in stored:
            try:
                values[key] = to_json(spec.parse(stored[key]))
            except ValueError as error:
                complaints.append(f"{error}; {values[key]} is in force")
    complaints += [f"{key} is stored but no longer a setting; it is ignored" for key in stored.keys() - values.keys()]
    return values, complaints


def _plan(wanted: Mapping[str, str], settings: Mapping[str, str], consents: Mapping[str, bool]) -> Plan:
    steps = tuple(Step(key, value, settings[key]) for key, value in wanted.items() if settings[key] != value)
    withdrawn: list[ConsentStep] = []
    for step in steps:
        spec = find(step.key)
        if not spec.consent:
            continue
        if step.value == "true" and not consents.get(spec.consent, False):
            raise Refused(_ask(spec))
        if step.value == "false" and consents.get(spec.consent, False):
            withdrawn.append(ConsentStep(spec.consent, False, spec.wording))
    return Plan(steps, tuple(withdrawn))


def _ask(spec: SettingSpec) -> str:
    return (
        f"{spec.key} goes on only with your consent {spec.consent}: “{spec.wording}” "
        f"Agree in the page, or by: wfmon settings set {spec.key} true"
    )
