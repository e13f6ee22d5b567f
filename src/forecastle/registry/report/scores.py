"""How good the model is: the verdict, every measure, and how both went from window to window."""

from collections.abc import Iterator, Sequence
from statistics import fmean, stdev
from xml.etree.ElementTree import Element

from forecastle.registry.folds import fold_table
from forecastle.registry.leads import Edge, lead_over_naive
from forecastle.registry.manifest import Fold, Manifest
from forecastle.registry.measures import HEADLINES, UNCALIBRATED, Verdict, direction, verdict
from forecastle.registry.report.markup import Content, element
from forecastle.registry.report.numbers import count, figure, moment, parsed, percent
from forecastle.registry.report.parts import section, table
from forecastle.registry.report.plots import Scale, bar, box, dots, legend, level, line, plot, ticks

TITLES = {
    "accuracy": "accuracy",
    "brier": "Brier score",
    "calibration_error": "calibration error",
    "f1": "F1",
    "log_loss": "log loss",
    "mae": "mean absolute error",
    "mse": "mean squared error",
    "precision": "precision",
    "r2": "R²",
    "recall": "recall",
    "rmse": "RMSE",
    "rmse_target_units": "RMSE, target's units",
    "roc_auc": "ROC AUC",
}
NAIVE = ("naive-1", "naive-2", "naive-3", "naive-4")
MAX_DOTS = 60
FLATTENING = 1.75
ROW_HEIGHT = 14


def title(measure: str) -> str:
    """A measure as people call it."""
    base = measure.removesuffix(UNCALIBRATED)
    return TITLES.get(base, base.replace("_", " ")) + (", uncalibrated" if base != measure else "")


def headline(manifest: Manifest, *, siblings: int = 0) -> Element:
    """The verdict against the naive forecasts, in a sentence and two bars; `siblings` came out of the same search."""
    found = verdict(manifest.task, manifest.metrics, manifest.baselines)
    tested = sum(fold.test_rows for fold in manifest.folds)
    if found is None:
        return element("section", element("h2", "Not measured against a naive forecast"), class_="verdict unknown")
    edge = lead_over_naive(manifest, found.measure, found.baseline_name)
    kind = "good" if found.beats_it else "bad"
    return element(
        "section",
        element("h2", _sentence(found)),
        element(
            "p",
            f"{_capital(title(found.measure))} {figure(found.value)} out of sample, on {count(tested)} rows in ",
            f"{len(manifest.folds)} test window{'s' * (len(manifest.folds) != 1)}; the best naive forecast, ",
            element("strong", found.baseline_name),
            f", gets {figure(found.baseline)} on the same rows.",
            _edge(edge),
            _choice(siblings),
        ),
        _duel(found),
        class_=f"verdict {kind}",
    )


def measures(manifest: Manifest) -> Element:
    """Every measure with its spread over the windows, beside those of the naive forecasts."""
    names = [*manifest.metrics]
    naive = [*manifest.baselines]
    several = len(manifest.folds) > 1
    head = ["measure", "model", *(["± over windows", "worst", "best"] if several else []), *naive]
    rows = [
        [
            title(name),
            element("strong", figure(manifest.metrics[name])),
            *(_spread(name, manifest.folds) if several else []),
            *(_beside(name, manifest.metrics[name], manifest.baselines[each].get(name)) for each in naive),
        ]
        for name in names
    ]
    return section(
        "Measures",
        table(head, rows),
        note="Averages over the test windows, none of which the model had seen. "
        "✓ the model is better than the naive forecast, ✗ it is not.",
        kind="wide",
    )


def windows(manifest: Manifest) -> Element | None:
    """The headline measure in every window, the naive forecasts beside it; None for a single window."""
    folds, measure = manifest.folds, HEADLINES[manifest.task]
    values = [fold.metrics.get(measure) for fold in folds]
    known = [value for value in values if value is not None]
    if len(folds) < 2 or len(known) < len(folds):
        return None
    naive = _rivals(manifest, measure, fmean(known))
    y = ticks([*known, *(value for each in naive.values() for value in each)])
    scale, places = y.scale, [(position + 0.5) / len(folds) * 100 for position in range(len(folds))]
    mean, spread = fmean(known), stdev(known)
    top, bottom = scale.up(mean + spread), scale.up(mean - spread)
    shapes: list[Content] = [box(0.0, top, 100.0, bottom - top, "fill-band"), level(scale.up(mean), "mean")]
    for kind, each in zip(NAIVE, naive.values(), strict=False):
        shapes.append(line([(x, scale.up(value)) for x, value in zip(places, each, strict=True)], kind))
    points = [(x, scale.up(value)) for x, value in zip(places, known, strict=True)]
    shapes.append(line(points, "model"))
    if len(folds) <= MAX_DOTS:
        said = [f"{_window(fold)}: {figure(value)}" for fold, value in zip(folds, known, strict=True)]
        shapes.append(dots([(*point, text) for point, text in zip(points, said, strict=True)], "spot-model"))
    labels = [_label(folds[0]), _label(folds[len(folds) // 2]), _label(folds[-1])]
    says = (
        f"{title(measure)} in {len(folds)} windows, from {figure(min(known))} to {figure(max(known))}, "
        f"{figure(mean)} on average"
    )
    names = [("model", manifest.algorithm), *zip(NAIVE, naive, strict=False), ("fill-band", "average ± deviation")]
    return section(
        "Window by window",
        legend(names),
        plot(shapes, says=says, y=y, x=labels, y_title=title(measure), x_title="start of the test window"),
        note="Less is better. A model that is good on average only is not one to rely on.",
        kind="wide",
    )


def _rivals(manifest: Manifest, measure: str, own: float) -> dict[str, list[float]]:
    """The naive forecasts in every window, without those so much worse that they would flatten the picture."""
    found = {}
    for name in manifest.baselines:
        each = [fold.baselines.get(name, {}).get(measure) for fold in manifest.folds]
        values = [value for value in each if value is not None]
        if len(values) == len(manifest.folds):
            found[name] = values
    best = min([own, *map(fmean, found.values())])
    return {name: values for name, values in found.items() if fmean(values) <= FLATTENING * best}


def timeline(manifest: Manifest) -> Element | None:
    """Where each window trained and where it was tested; None where rows have no order."""
    folds = manifest.folds
    if not folds or (manifest.recipe.get("split") or {}).get("kind") == "random":
        return None
    bounds = [_place(each) for fold in folds for each in (fold.train_start, fold.train_end, fold.test_start)]
    bounds += [_place(fold.test_end) for fold in folds]
    scale, height = Scale(min(bounds), max(bounds)), 100 / len(folds)
    shapes = [shape for row, fold in enumerate(folds) for shape in _stretches(fold, scale, row * height, height)]
    area = element(
        "svg",
        shapes,
        class_="stretches",
        viewBox="0 0 100 100",
        preserveAspectRatio="none",
        height=min(len(folds) * ROW_HEIGHT, 240) + ROW_HEIGHT,
        role="img",
        aria_label=f"{len(folds)} windows, tested from {_window(folds[0])} to {_window(folds[-1])}",
    )
    ends = element(
        "div",
        element("span", moment(min(folds, key=lambda fold: _place(fold.train_start)).train_start)),
        element("span", moment(max(folds, key=lambda fold: _place(fold.test_end)).test_end)),
        class_="x ends",
    )
    listed = fold_table(manifest)
    numbers = element("details", element("summary", "the windows in numbers"), table(listed.columns, listed.rows))
    return section(
        "Where it was trained and tested",
        legend([("fill-train", "trained on"), ("fill-test", "tested on")]),
        area,
        ends,
        numbers,
        note="Rows whose label reaches into a test window are left out of the training before it.",
        kind="wide",
    )


def _sentence(found: Verdict) -> str:
    skill = found.skill
    if skill is None:
        return "The best naive forecast makes no error at all"
    if found.beats_it:
        return f"{percent(skill)} less {_loss(found)} than the best naive forecast"
    return "Does not beat the best naive forecast"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _loss(found: Verdict) -> str:
    return "loss" if found.measure == "log_loss" else "error"


def _edge(edge: Edge | None) -> str | None:
    if edge is None or edge.windows < 2:
        return None
    return f" It is {edge}."


def _choice(siblings: int) -> str | None:
    if not siblings:
        return None
    return f" It is one of {count(siblings + 1)} models of a search, and the best of many looks better than it is."


def _duel(found: Verdict) -> Element:
    """The two numbers as bars, the longer one full."""
    most = max(found.value, found.baseline) or 1.0
    rows = (("model", found.value, "fill-model"), (found.baseline_name, found.baseline, "fill-naive"))
    return element(
        "div",
        (
            element(
                "div",
                element("span", name, class_="who"),
                bar(value / most, kind),
                element("span", figure(value), class_="number"),
                class_="row",
            )
            for name, value, kind in rows
        ),
        class_="duel",
        aria_hidden="true",
    )


def _spread(name: str, folds: Sequence[Fold]) -> list[str]:
    values = [fold.metrics[name] for fold in folds if name in fold.metrics]
    if len(values) < 2:
        return [figure(None)] * 3
    worst, best = (max, min) if direction(name) == "asc" else (min, max)
    return [figure(stdev(values), 3), figure(worst(values)), figure(best(values))]


def _beside(name: str, own: float, naive: float | None) -> Content:
    if naive is None:
        return figure(None)
    better = own < naive if direction(name) == "asc" else own > naive
    mark = element("span", " ✓" if better else " ✗", class_="yes" if better else "no")
    return [figure(naive), mark]


def _window(fold: Fold) -> str:
    return f"{moment(fold.test_start)} to {moment(fold.test_end)}"


def _label(fold: Fold) -> str:
    at = parsed(fold.test_start)
    return fold.test_start if at is None else f"{at:%Y-%m-%d}"


def _place(bound: str) -> float:
    at = parsed(bound)
    return at.timestamp() if at else float(bound) if bound.isdigit() else 0.0


def _stretches(fold: Fold, scale: Scale, top: float, height: float) -> Iterator[Element]:
    for kind, start, end in (
        ("fill-train", fold.train_start, fold.train_end),
        ("fill-test", fold.test_start, fold.test_end),
    ):
        left, right = scale.at(_place(start)), scale.at(_place(end))
        said = f"{'trained' if kind == 'fill-train' else 'tested'} on {moment(start)} to {moment(end)}"
        yield box(left, top + height * 0.15, max(right - left, 0.4), height * 0.7, kind, said)
