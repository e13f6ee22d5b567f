"""Where the model comes from: proofs, data, relatives, recipe, software."""

from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree.ElementTree import Element

import tomlkit

from forecastle.registry.lineage import Kin, Together
from forecastle.registry.manifest import Interval, Leakage, Manifest, Parity, TargetFacts
from forecastle.registry.measures import UNCALIBRATED
from forecastle.registry.report.markup import Content, element
from forecastle.registry.report.numbers import count, figure, moment, percent, seconds
from forecastle.registry.report.parts import chip, code, facts, section
from forecastle.registry.report.subject import Subject

SHOWN_TOGETHER = 12
TRANSFORMS = {
    "none": ("", ""),
    "log": ("the logarithm of ", ""),
    "log_return": ("the logarithmic change of ", ""),
    "pct_change": ("the relative change of ", ""),
    "up": ("whether ", " will be at least what it is"),
}
"""What stands before and after the target, by its transform."""


def badges(manifest: Manifest) -> Element:
    """What is proved of this model, in a word each."""
    leakage = manifest.leakage
    shown = [
        chip("✓ leak-proof", "good") if leakage.status == "proven" else chip("leakage not checked", "plain"),
        chip("✓ export proved equal", "good") if manifest.parity is not None else None,
        chip("✓ calibrated", "good") if manifest.calibration is not None else None,
        chip(f"✓ {percent(manifest.interval.coverage)} interval", "good") if manifest.interval else None,
    ]
    return element("p", shown, class_="chips")


def predicted(target: TargetFacts) -> list[Content]:
    """What the model predicts, in words."""
    ahead = {0: "", 1: ", one row ahead"}.get(target.horizon, f", {count(target.horizon)} rows ahead")
    before, after = TRANSFORMS.get(target.transform, (f"{target.transform} of ", ""))
    return [before, code(target.expression), after, ahead]


def proofs(manifest: Manifest) -> Element:
    """What was proved, how, and how closely."""
    return section(
        "Proofs",
        facts(
            [
                ("leakage", _leakage(manifest.leakage)),
                ("export", _parity(manifest.parity) if manifest.parity else None),
                ("calibration", _calibration(manifest)),
                ("interval", _interval(manifest.interval) if manifest.interval else None),
            ]
        ),
    )


def data(subject: Subject) -> Element:
    """What it learned from."""
    manifest = subject.manifest
    return section(
        "Data",
        facts(
            [
                ("dataset", [code(manifest.dataset), _since(subject)]),
                ("content", code(f"sha256 {manifest.dataset_sha256}")),
                ("learned from", f"{count(manifest.trained_rows)} rows{_until(manifest)}"),
                ("predicts", predicted(manifest.target)),
                ("classes", ", ".join(manifest.classes)),
                ("confined to", _regime(manifest)),
                ("a missing number", "is refused" if manifest.missing == "drop" else "is filled with the median"),
                ("took", f"{seconds(manifest.fit_seconds)} for the last fit{_rounds(manifest)}"),
            ]
        ),
    )


def family(subject: Subject) -> Element:
    """Ancestors, the model, descendants; and those made together with it."""
    found = subject.lineage
    lines = [_kin(kin) for kin in reversed(found.ancestors)]
    lines.append(element("li", element("strong", _name(found.model)), " this model", class_="self"))
    lines += [_kin(kin) for kin in found.descendants]
    together = [
        _together(what, each) for what, each in (("search", found.cohort), ("batch", found.group)) if each is not None
    ]
    alone = not found.ancestors and not found.descendants
    note = "It was made from no other model, and none was made from it." if alone else None
    return section("Lineage", element("ul", lines, class_="family"), together, note=note)


def recipe(manifest: Manifest) -> Element:
    """Everything that determines the model."""
    return section(
        "Recipe",
        element("pre", element("code", _toml(manifest.recipe)), tabindex="0"),
        element("p", "fingerprint ", code(manifest.fingerprint), class_="hash"),
        note="Trained again from the same data, it gives the same model.",
        kind="wide long",
    )


def software(manifest: Manifest) -> Element:
    """Versions of what made it."""
    pairs: list[tuple[str, Content]] = [(name, version) for name, version in manifest.software.items()]
    return section("Software", facts([*pairs, ("feature code", f"version {manifest.feature_version}")]))


def _toml(document: Mapping[str, Any]) -> str:
    """A recipe as one would write it: a line for each feature."""
    lines = tomlkit.array()
    lines.extend(document.get("features", ()))
    return tomlkit.dumps({**document, "features": lines.multiline(multiline=True)})


def _leakage(leakage: Leakage) -> str:
    if leakage.status == "proven":
        return (
            f"Proven: whatever was changed after {count(leakage.cuts)} cut{'s' * (leakage.cuts != 1)} changed nothing "
            f"before, in {count(leakage.rows)} rows of {count(leakage.features)} features, nor what was learned there."
        )
    return "Not checked. Features cannot look ahead; prove_leakage = true in the recipe proves the whole training."


def _parity(parity: Parity) -> str:
    return (
        f"The served graph equals the trainer on {count(parity.rows)} rows: at most "
        f"{figure(parity.max_abs_difference, 2)} apart, where {figure(parity.atol, 2)} and {figure(parity.rtol, 2)} of "
        "the value are allowed."
    )


def _calibration(manifest: Manifest) -> str | None:
    if manifest.calibration is None:
        return None
    before = manifest.metrics.get(f"log_loss{UNCALIBRATED}")
    after = manifest.metrics.get("log_loss")
    kind = manifest.recipe.get("calibration", "")
    said = f"{kind}, part of the graph"
    return said if before is None else f"{said}; log loss {figure(before)} before, {figure(after)} after"


def _interval(interval: Interval) -> str:
    low, high = (f"{'+' if bound > 0 else ''}{figure(bound)}" for bound in (interval.lower, interval.upper))
    said = f"{low} … {high} around a prediction, from {count(interval.rows)} rows"
    if interval.measured_coverage is None:
        return said
    covered = percent(interval.measured_coverage)
    measured = f"made of earlier rows it covered {covered} of {count(interval.measured_rows)} later rows"
    return f"{said}; {measured}"


def _since(subject: Subject) -> str | None:
    if subject.dataset is None:
        return ", removed since"
    if subject.dataset.sha256 != subject.manifest.dataset_sha256:
        return ", which holds other content now"
    return f", {count(subject.dataset.rows)} rows of {count(len(subject.dataset.columns))} columns"


def _until(manifest: Manifest) -> str:
    return f", the last of {moment(manifest.trained_until)}" if manifest.trained_until else ""


def _regime(manifest: Manifest) -> Content:
    regime = manifest.regime
    return None if regime is None else [code(regime.expression), f", {count(regime.outside_rows)} rows outside"]


def _rounds(manifest: Manifest) -> str:
    return f", {count(manifest.rounds)} rounds found by stopping early" if manifest.rounds else ""


def _kin(kin: Kin) -> Element:
    relation = _relation(kin.generation)
    skill = f", skill {percent(kin.skill, signed=True)}" if kin.skill is not None else ""
    said = "removed" if kin.removed else f"{kin.algorithm}, {kin.stage}{skill}"
    return element("li", element("strong", _name(kin)), f" {relation}: {said} ", element("small", kin.id))


def _name(kin: Kin) -> str:
    return "a model" if kin.name is None else f"{kin.name} {kin.version}"


def _relation(generation: int) -> str:
    steps = abs(generation)
    known = {1: "parent", 2: "grandparent"} if generation < 0 else {1: "child", 2: "grandchild"}
    older = "ancestor" if generation < 0 else "descendant"
    return known.get(steps, f"{older} {steps} steps away")


def _together(what: str, together: Together) -> Iterator[Element]:
    yield element("h3", f"Of the same {what}: {count(together.total)} models")
    shown = [
        element("li", element("strong", _name(kin)), f" {kin.algorithm}, skill {percent(kin.skill, signed=True)}")
        for kin in together.models[:SHOWN_TOGETHER]
    ]
    more = together.total - len(shown)
    yield element("ul", shown, element("li", f"… {count(more)} more") if more > 0 else None, class_="family")
