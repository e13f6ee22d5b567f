"""The report: one page that is well formed, needs nothing else, and lets no name become markup."""

import base64
import hashlib
import json
import math
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest

from forecastle.registry import measures
from forecastle.registry.diagnostics import (
    Band,
    Diagnostics,
    Histogram,
    LearningPoint,
    Reliability,
    Residuals,
    Trace,
)
from forecastle.registry.lineage import Kin, Lineage, Together
from forecastle.registry.manifest import FeatureColumn, Fold, Interval, Leakage, Manifest, Regime, TargetFacts
from forecastle.registry.models import Model
from forecastle.registry.report import CONTENT_SECURITY_POLICY, Subject, render
from forecastle.registry.report.markup import document, element
from forecastle.registry.report.numbers import figure, moment, percent, seconds
from forecastle.registry.report.page import STYLE
from forecastle.registry.report.plots import ticks

Make = Callable[..., Manifest]

HOSTILE = """</style><script>alert(1)</script><img src=x onerror=alert(1)>"'`&<>\x00\x1b[31m\ud800\u202e]]>--"""
VOID = {"meta", "br", "hr", "img", "input", "link"}


class Checker(HTMLParser):
    """Refuses a page whose elements do not nest, and collects what it holds."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), (tag, attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        raise AssertionError(f"<{tag}/> means something else in HTML")

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text.append(data)


def checked(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    return checker


def said(page: str) -> str:
    return " ".join(" ".join(checked(page).text).split())


def fold(number: int, **values: float) -> Fold:
    start = datetime(2020, 1 + number, 1, tzinfo=UTC)
    return Fold(
        train_rows=100,
        test_rows=20,
        dropped_rows=1,
        train_start=start.isoformat(),
        train_end=start.replace(day=20).isoformat(),
        test_start=start.replace(day=21).isoformat(),
        test_end=start.replace(day=28).isoformat(),
        metrics=values,
        baselines={"mean": {name: value * 1.5 for name, value in values.items()}, "far": {"rmse": 90.0}},
    )


def residuals(scale: float = 1.0) -> Residuals:
    return Residuals(
        quantiles=(-2 * scale, -scale, 0.0, scale, 2 * scale),
        folds=((-2 * scale, -scale, 0.0, scale, 2 * scale),) * 3,
        histogram=Histogram((-2 * scale, 0.0, 2 * scale), (12, 8)),
        bands=(Band(-scale, -scale, 10), Band(scale, 1.1 * scale, 10)),
        scatter=((-scale, scale), (scale, -scale)),
    )


def subject(manifest: Manifest, **changes: Any) -> Subject:
    own = ("id", "name", "task", "algorithm", "fingerprint", "created_at", "metrics", "baselines", "dataset", "parent")
    facts: dict[str, Any] = {
        **{name: getattr(manifest, name) for name in own},
        "version": 3,
        "stage": "production",
        "graph_sha256": "1" * 64,
        "manifest_sha256": "2" * 64,
        "skill": measures.skill(manifest.task, manifest.metrics, manifest.baselines),
        "cohort": None,
        "group": None,
        "tags": (),
        "owner": None,
    }
    model = Model(**facts | changes)
    return Subject(model, manifest, Lineage(Kin(manifest.id, name=manifest.name, version=3), (), (), None, None))


@pytest.fixture
def regression(make_manifest: Make) -> Manifest:
    return make_manifest(
        recipe={"name": "prices", "features": ["a", "b = sma(a, 3)"], "target": {"column": "c"}, "tags": ['a"b']},
        metrics={"rmse": 1.0, "r2": 0.5},
        baselines={"mean": {"rmse": 1.5, "r2": 0.0}, "far": {"rmse": 90.0}},
        folds=tuple(fold(number, rmse=0.8 + number / 10, r2=0.5) for number in range(4)),
        importances={"permutation": {"a": 0.5, "b": -0.1}},
        diagnostics=Diagnostics(
            residuals=residuals(),
            trace=Trace(("2020-01-01T00:00:00+00:00", "2020-01-02T00:00:00+00:00"), (1.0, 2.0), (1.5, 1.5)),
            learning=(LearningPoint(10, 2.0), LearningPoint(40, 1.5), LearningPoint(160, 1.1)),
        ),
        leakage=Leakage("proven", cuts=4, rows=100, features=2),
        interval=Interval(0.9, -1.0, 1.5, 80, 0.89, 40),
        regime=Regime("a > 0", {}, 7),
        rounds=40,
        pruned=("noise", "dust"),
    )


@pytest.fixture
def classification(make_manifest: Make) -> Manifest:
    folds = tuple(fold(number, log_loss=0.5, accuracy=0.8) for number in range(2))
    return make_manifest(
        task="classification",
        classes=("lose", "win"),
        target=TargetFacts("c", "up", 1),
        metrics={"log_loss": 0.7, "accuracy": 0.8, "log_loss_uncalibrated": 0.9},
        baselines={"prior": {"log_loss": 0.6}},
        folds=tuple(Fold(**{**_fields(each), "confusion": ((7, 3), (2, 8))}) for each in folds),
        calibration={"slope": 1.0},
        diagnostics=Diagnostics(reliability=Reliability("win", (Band(0.2, 0.3, 10), Band(0.9, 0.8, 30)))),
    )


def _fields(each: Fold) -> dict[str, Any]:
    return {name: getattr(each, name) for name in each.__struct_fields__}


def variants(make: Make) -> Iterator[Manifest]:
    """Manifests at the edges of what there can be."""
    same = fold(0, rmse=1.0)
    yield make()
    yield make(metrics={}, baselines={}, importances={"coefficient": {"a": 0.0}})
    yield make(folds=(same,), metrics={"rmse": 0.0}, baselines={"mean": {"rmse": 0.0}})
    yield make(folds=(same,) * 300, recipe={"split": {"kind": "random"}})
    yield make(folds=(fold(0), fold(1, rmse=1e300)), metrics={"rmse": 5e299})
    yield make(
        diagnostics=Diagnostics(residuals=residuals(0.0), learning=(LearningPoint(9, 0.0), LearningPoint(99, 0.0)))
    )
    yield make(diagnostics=Diagnostics(residuals=residuals(1e-300), trace=Trace(("7",), (1.0,), (1.0,))))
    yield make(
        diagnostics=Diagnostics(residuals=residuals(1e200), trace=Trace(("7", "8"), (1e200,) * 2, (-1e200,) * 2))
    )
    yield make(features=tuple(FeatureColumn(f"f{i}", "a", "category", tuple("abcdefgh")) for i in range(40)))
    yield make(importances={"tree": {f"f{i}": i / 7 for i in range(40)}}, feature_states={"a": {"mean": 1e-12}})
    yield make(trained_until="2020-01-01T12:30:00+00:00", fit_seconds=0.0004, missing="median")


@pytest.mark.parametrize(
    ("lower", "upper", "told"),
    [(-1.0, 1.5, "−1 … +1.5 around"), (-2.0, -0.5, "−2 … −0.5 around")],  # noqa: RUF001
)
def test_an_interval_beside_its_prediction_has_the_right_signs(
    make_manifest: Make, lower: float, upper: float, told: str
) -> None:
    page = render(subject(make_manifest(interval=Interval(0.8, lower, upper, 80))))
    assert told in " ".join(checked(page).text)


def test_every_page_is_well_formed_and_draws_within_its_areas(
    make_manifest: Make, regression: Manifest, classification: Manifest
) -> None:
    for manifest in (regression, classification, *variants(make_manifest)):
        page = render(subject(manifest))
        assert page.startswith("<!doctype html>\n<html lang=")
        found = checked(page)
        assert not re.search(r"\b(nan|inf|None)\b", " ".join(found.text)), manifest
        for tag, attributes in found.elements:
            if tag in {"rect", "path"}:
                numbers = [attributes[side] for side in ("x", "y", "width", "height") if side in attributes]
                numbers += re.findall(r"-?[\d.]+|nan|inf", attributes.get("d") or "")
                assert all(-0.01 <= float(each or "nan") <= 100.01 for each in numbers), (tag, attributes)


def test_a_page_needs_nothing_but_itself(regression: Manifest, classification: Manifest) -> None:
    for manifest in (regression, classification):
        page = render(subject(manifest))
        for tag, attributes in checked(page).elements:
            assert tag not in {"script", "link", "img", "iframe", "object", "embed", "form", "base", "use", "image"}
            for name in attributes:
                assert not name.startswith("on"), (tag, name)
                assert name not in {"src", "href", "style", "action", "srcset", "xlink:href"}, (tag, name)
        assert not re.search(r"https?:|url\(|@import|javascript:", page)


def test_the_policy_lets_in_the_pages_own_style_and_nothing_else(regression: Manifest) -> None:
    page = render(subject(regression))
    (style,) = re.findall(r"<style>(.*?)</style>", page, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in CONTENT_SECURITY_POLICY
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none';")
    assert {"http-equiv": "Content-Security-Policy", "content": CONTENT_SECURITY_POLICY} in [
        attributes for _, attributes in checked(page).elements
    ]


def test_no_name_becomes_markup(make_manifest: Make) -> None:
    kin = Kin(HOSTILE, name=HOSTILE, version=1, algorithm=HOSTILE, stage="dev", generation=1)
    manifest = make_manifest(
        name=HOSTILE,
        algorithm=HOSTILE,
        dataset=HOSTILE,
        task="classification",
        classes=(HOSTILE, "b"),
        features=(FeatureColumn(HOSTILE, HOSTILE, "category", (HOSTILE,)),),
        feature_states={HOSTILE: {HOSTILE: 1.0}},
        target=TargetFacts(HOSTILE, HOSTILE, 2),
        metrics={HOSTILE: 1.0, "log_loss": 1.0},
        baselines={HOSTILE: {HOSTILE: 1.0, "log_loss": 2.0}},
        folds=(
            Fold(10, 10, 0, HOSTILE, HOSTILE, HOSTILE, HOSTILE, {"log_loss": 1.0}, {}, ((1, 2), (3, 4))),
            Fold(10, 10, 0, "0", "9", "10", "19", {"log_loss": 1.0}, {HOSTILE: {"log_loss": 2.0}}),
        ),
        importances={"permutation": {HOSTILE: 1.0}},
        recipe={"name": HOSTILE.replace("\ud800", ""), "features": [HOSTILE.replace("\ud800", "")]},
        regime=Regime(HOSTILE, {}, 1),
        software={HOSTILE: HOSTILE},
        pruned=(HOSTILE,),
        diagnostics=Diagnostics(reliability=Reliability(HOSTILE, (Band(0.5, 0.5, 1),))),
    )
    about = subject(manifest, tags=(HOSTILE,), stage=HOSTILE)
    together = Together(HOSTILE, 1, (kin,))
    page = render(Subject(about.model, manifest, Lineage(kin, (kin,), (kin,), together, together)))
    found = checked(page)
    assert not {"script", "img"} & {tag for tag, _ in found.elements}
    assert all(name != "onerror" for _, attributes in found.elements for name in attributes)
    assert page.count("<style>") == page.count("</style>") == 1
    assert "<script>alert(1)</script>" in said(page)
    assert not {"\x00", "\x1b", "\ud800", "\u202e"} & set(page)
    page.encode()


def test_the_verdict_says_by_how_much_and_against_what(regression: Manifest, classification: Manifest) -> None:
    better = said(render(subject(regression)))
    assert "33.3 % less error than the best naive forecast" in better
    assert "RMSE 1 out of sample, on 80 rows in 4 test windows; the best naive forecast, mean , gets 1.5" in better
    assert "It is better in 4 of 4 windows, clearly ahead." in better
    worse = said(render(subject(classification)))
    assert "Does not beat the best naive forecast" in worse
    assert "Log loss 0.7 out of sample" in worse


def test_the_verdict_says_out_of_how_many_the_model_was_chosen(regression: Manifest) -> None:
    about = subject(regression)
    warning = "It is one of 60 models of a search, and the best of many looks better than it is."
    assert warning not in said(render(about))
    searched = replace(about.lineage, cohort=Together("c", 60, (about.lineage.model,)))
    assert warning in said(render(replace(about, lineage=searched)))


def test_what_was_proved_is_told(regression: Manifest, classification: Manifest, make_manifest: Make) -> None:
    proved = said(render(subject(regression)))
    for each in ("✓ leak-proof", "✓ export proved equal", "✓ 90 % interval", "whatever was changed after 4 cuts"):
        assert each in proved
    assert "made of earlier rows it covered 89 % of 40 later rows" in proved
    assert "Left out, for they tell nothing of the target: noise, dust." in proved
    assert "sigmoid" not in proved
    calibrated = said(render(subject(classification)))
    assert "leakage not checked" in calibrated
    assert "log loss 0.9 before, 0.7 after" in calibrated
    assert "leak-proof" not in said(render(subject(make_manifest())))


def test_the_recipe_reads_back_from_the_page(regression: Manifest) -> None:
    page = render(subject(regression))
    checker = checked(page)
    assert any(tag == "pre" for tag, _ in checker.elements)
    text = next(each for each in checker.text if each.startswith("name = "))
    assert tomllib.loads(text) == regression.recipe


def test_relatives_are_named_with_what_they_are(regression: Manifest) -> None:
    about = subject(regression)
    older = (Kin("p" * 26, name="old", version=1, algorithm="ridge", stage="dev", generation=-1, skill=0.25),)
    gone = (*older, Kin("g" * 26, generation=-2, removed=True))
    child = (Kin("c" * 26, name="new", version=2, algorithm="xgboost", stage="staging", generation=1),)
    together = Together("search-1", 40, tuple(Kin(str(i), name="sibling", version=i, skill=0.1) for i in range(20)))
    text = said(render(Subject(about.model, regression, Lineage(about.lineage.model, gone, child, together, None))))
    assert f"a model grandparent: removed {'g' * 26}" in text
    assert "old 1 parent: ridge, dev, skill +25 %" in text
    assert "new 2 child: xgboost, staging" in text
    assert "Of the same search: 40 models" in text
    assert "… 28 more" in text


def test_the_same_subject_gives_the_same_page(regression: Manifest) -> None:
    assert render(subject(regression)) == render(subject(regression))


def test_a_style_sheet_that_would_end_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="content of <style> would end it"):
        document(language="en", head=[element("style", "a::after { content: '</style>' }")], body=[])


# --- colours -----------------------------------------------------------------------------------------------------


def palette(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})\b", block))


def palettes() -> dict[str, dict[str, str]]:
    light, dark = re.findall(r":root \{(.*?)\}", STYLE, flags=re.DOTALL)[:2]
    paper = re.findall(r"@media print \{\s*:root \{(.*?)\}", STYLE, flags=re.DOTALL)[0]
    return {"light": palette(light), "dark": palette(dark), "paper": palette(paper)}


def contrast(first: str, second: str) -> float:
    """WCAG 2.2, relative luminance and contrast ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else math.pow((part + 0.055) / 1.055, 2.4) for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    brighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def test_every_theme_has_every_colour() -> None:
    light, dark, paper = palettes().values()
    assert light.keys() == dark.keys() == paper.keys()
    assert set(re.findall(r"var\(--([\w-]+)\)", STYLE)) <= {*light, "shade"}


@pytest.mark.parametrize("theme", ["light", "dark", "paper"])
@pytest.mark.parametrize(
    ("front", "back", "least"),
    [
        *(
            (text, ground, 4.5)
            for text in ("ink", "soft")
            for ground in ("page", "card", "wash", "good-wash", "bad-wash")
        ),
        *((text, "card", 4.5) for text in ("model", "good", "bad")),
        *((f"{text}", f"{text}-wash", 4.5) for text in ("good", "bad")),
        ("card", "model", 4.5),
        *((mark, "card", 3.0) for mark in ("model", "naive", "naive-2", "naive-3", "naive-4", "bad")),
        ("model", "band", 3.0),
    ],
)
def test_colours_meet_wcag_aa(theme: str, front: str, back: str, least: float) -> None:
    colours = palettes()[theme]
    assert contrast(colours[front], colours[back]) >= least, (theme, front, back)


# --- numbers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),  # noqa: RUF001
        (0.0, "0"),
        (1234.56, "1,235"),
        (-0.123456, "−0.1235"),  # noqa: RUF001
        (2.98113, "2.981"),
        (1.5e-12, "1.5·10⁻¹²"),
        (-3e200, "−3·10²⁰⁰"),  # noqa: RUF001
        (123456789012.0, "1.235·10¹¹"),
    ],
)
def test_figures(value: float | None, text: str) -> None:
    assert figure(value) == text


def test_percents_durations_and_moments() -> None:
    assert [percent(value) for value in (0.5, 0.123, -0.05, None)] == ["50 %", "12.3 %", "−5 %", "–"]  # noqa: RUF001
    assert percent(0.25, signed=True) == "+25 %"
    assert [seconds(value) for value in (0.0123, 3.21, 125.0)] == ["12 ms", "3.2 s", "2 min 5 s"]
    assert [moment(text) for text in ("2020-01-02T00:00:00+00:00", "2020-01-02T13:45:00+00:00", "17", "x")] == [
        "2020-01-02",
        "2020-01-02 13:45",
        "17",
        "x",
    ]


@pytest.mark.parametrize(
    "values",
    [[0.0, 1.0], [2.9, 3.6], [-7.0, 1200.0], [5.0], [0.0], [1e-300, 2e-300], [-1e200, 1e200], [0.1, 0.10001], []],
)
def test_ticks_are_round_few_and_hold_the_values(values: list[float]) -> None:
    found = ticks(values)
    assert 2 <= len(found.values) <= 7
    assert list(found.values) == sorted(set(found.values))
    steps = {float(f"{b - a:.6g}") for a, b in zip(found.values, found.values[1:], strict=False)}
    assert max(steps) == pytest.approx(min(steps), rel=1e-3)
    for value in values:
        assert 0.0 <= found.scale.at(value) <= 100.0
        assert found.values[0] <= value <= found.values[-1] or value == pytest.approx(found.values[0])
    assert json.dumps(found.values)
