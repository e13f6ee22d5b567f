"""What was predicted beside what happened: residuals, reliability, confusion, a stretch of time, the learning curve."""

import math
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from forecastle.registry.diagnostics import Band, LearningPoint, Reliability, Residuals, Trace
from forecastle.registry.manifest import Manifest
from forecastle.registry.measures import HEADLINES, verdict
from forecastle.registry.report.markup import Content, element
from forecastle.registry.report.numbers import count, figure, moment, percent
from forecastle.registry.report.parts import section, table
from forecastle.registry.report.plots import Scale, Ticks, box, dots, legend, level, line, plot, ticks
from forecastle.registry.report.scores import title

MAX_CLASSES = 12
SHADES = 9
MAX_BOXES = 80
STACKS = 18.0
ALONE = 10.0
"""Width of the bar when all residuals are the same."""
UNIT = Ticks((0.0, 0.25, 0.5, 0.75, 1.0))


def sections(manifest: Manifest) -> list[Element | None]:
    """Those that the manifest holds something for."""
    found = manifest.diagnostics
    return [
        _trace(found.trace, _what(manifest)) if found.trace else None,
        _agreement(found.residuals, _what(manifest)) if found.residuals else None,
        _residuals(found.residuals) if found.residuals else None,
        _boxes(found.residuals) if found.residuals else None,
        _reliability(found.reliability) if found.reliability else None,
        _confusion(manifest),
        _learning(manifest, found.learning),
    ]


def _what(manifest: Manifest) -> str:
    target = manifest.target
    return target.expression if target.transform == "none" else f"{target.transform} of {target.expression}"


def _trace(trace: Trace, what: str) -> Element:
    y = ticks([*trace.predicted, *trace.observed])
    scale, across = y.scale, Scale(0.0, max(len(trace.times) - 1, 1))
    shapes = [
        line([(across.at(i), scale.up(value)) for i, value in enumerate(values)], kind)
        for kind, values in (("observed", trace.observed), ("model", trace.predicted))
    ]
    labels = [moment(trace.times[i]) for i in (0, len(trace.times) // 2, -1)]
    says = f"{what} as predicted and as it was, in {len(trace.times)} rows from {labels[0]} to {labels[-1]}"
    return section(
        "Predicted and observed",
        legend([("observed", "observed"), ("model", "predicted")]),
        plot(shapes, says=says, y=y, x=labels, y_title=what),
        note="The end of the last test window, of one series.",
        kind="wide",
    )


def _agreement(residuals: Residuals, what: str) -> Element:
    """Predictions against the truth: the cloud, and the average truth of each tenth of the predictions."""
    both = [value for pair in residuals.scatter for value in pair]
    y = ticks([*both, *(value for band in residuals.bands for value in (band.predicted, band.observed))])
    scale = y.scale
    cloud = dots([(scale.at(said), scale.up(truth), None) for said, truth in residuals.scatter], "spot-cloud")
    labels = [figure(y.values[0]), figure((y.values[0] + y.values[-1]) / 2), figure(y.values[-1])]
    shapes: list[Content] = [line([(0.0, 100.0), (100.0, 0.0)], "ideal"), cloud, _banded(residuals.bands, scale)]
    says = f"average truth of each tenth of the predictions: {_said(residuals.bands)}"
    return section(
        "Predictions against the truth",
        legend([("spot-cloud", "test rows"), ("spot-model", "average of each tenth"), ("ideal", "perfect")]),
        plot(shapes, says=says, y=y, x=labels, y_title=f"observed {what}", x_title="predicted", kind="square"),
        note="Points on the dashed line are right. Averages that leave it are a bias one could correct.",
    )


def _residuals(residuals: Residuals) -> Element:
    edges, counts = residuals.histogram.edges, residuals.histogram.counts
    y = ticks([0.0, *map(float, counts)], most=4)
    scale, across = y.scale, Scale(edges[0], edges[-1])
    shapes = [
        box(
            across.at(low),
            scale.up(n),
            across.at(high) - across.at(low),
            scale.at(n),
            "fill-model",
            _rows(low, high, n),
        )
        for low, high, n in zip(edges, edges[1:], counts, strict=False)
    ]
    if edges[0] < 0 < edges[-1]:
        shapes.append(line([(across.at(0.0), 0.0), (across.at(0.0), 100.0)], "ideal"))
    low, lower, median, upper, high = residuals.quantiles
    labels = [figure(edges[0], 3), figure((edges[0] + edges[-1]) / 2, 3), figure(edges[-1], 3)]
    says = f"half of the residuals lie between {figure(lower)} and {figure(upper)}, nine tenths between "
    summary = element(
        "p",
        f"Median {figure(median)}; half of them within {figure(lower)} … {figure(upper)}, ",
        f"nine in ten within {figure(low)} … {figure(high)}.",
    )
    return section(
        "Residuals",
        plot(
            shapes,
            says=f"{says}{figure(low)} and {figure(high)}",
            y=y,
            x=labels,
            y_title="test rows",
            x_title="truth less prediction",
            kind="square",
        ),
        summary,
        note="Around zero and symmetric is how they should be; the outermost bars hold what lies beyond them.",
    )


def _boxes(residuals: Residuals) -> Element | None:
    """The residuals of each window as a box."""
    folds = residuals.folds
    if not 2 <= len(folds) <= MAX_BOXES:
        return None
    y = ticks([value for fold in folds for value in fold], most=4)
    scale, width = y.scale, 100 / len(folds)
    shapes: list[Content] = [level(scale.up(0.0), "ideal")] if y.values[0] < 0 < y.values[-1] else []
    for position, (low, lower, median, upper, high) in enumerate(folds):
        middle, half = (position + 0.5) * width, min(width * 0.3, 4.0)
        said = f"window {position + 1}: median {figure(median)}, half within {figure(lower)} … {figure(upper)}"
        shapes += [
            line([(middle, scale.up(low)), (middle, scale.up(high))], "whisker"),
            box(middle - half, scale.up(upper), 2 * half, scale.up(lower) - scale.up(upper), "fill-model", said),
            line([(middle - half, scale.up(median)), (middle + half, scale.up(median))], "median"),
        ]
    says = f"residuals of {len(folds)} windows, medians from "
    says += f"{figure(min(fold[2] for fold in folds))} to {figure(max(fold[2] for fold in folds))}"
    return section(
        "Residuals window by window",
        plot(shapes, says=says, y=y, x=["1", str(len(folds))], y_title="residual", x_title="window", kind="low"),
        note="The line is the median, the box holds half of the rows, the whiskers nine in ten.",
        kind="wide",
    )


def _reliability(found: Reliability) -> Element:
    bands, scale = found.bands, UNIT.scale
    rows = [_stack(band, most=max(each.rows for each in bands)) for band in bands]
    shapes: list[Content] = [rows, line([(0.0, 100.0), (100.0, 0.0)], "ideal"), _banded(bands, scale)]
    whose = "the class predicted" if found.of is None else f"“{found.of}”"
    total = sum(band.rows for band in bands)
    error = sum(abs(band.predicted - band.observed) * band.rows for band in bands) / total
    return section(
        "Reliability",
        legend([("spot-model", "share that came true"), ("ideal", "perfect"), ("fill-count", "rows")]),
        plot(
            shapes,
            says=f"share of rows in which {whose} came true, by its predicted probability: {_said(bands)}",
            y=UNIT,
            x=["0", "0.5", "1"],
            y_title="came true",
            x_title=f"predicted probability of {whose}",
            kind="square",
        ),
        element("p", f"On average the probabilities are {percent(error)} off, over {count(total)} test rows."),
        note="Of the rows given 70 %, seven in ten should come true.",
    )


def _stack(band: Band, *, most: int) -> Element:
    """How many rows a tenth of the probabilities has, at the foot of the area."""
    left, height = math.floor(min(band.predicted, 0.999) * 10) * 10.0, STACKS * band.rows / most
    return box(left + 1.0, 100 - height, 8.0, height, "fill-count", f"{count(band.rows)} rows")


def _banded(bands: Sequence[Band], scale: Scale) -> list[Element]:
    points = [(scale.at(band.predicted), scale.up(band.observed)) for band in bands]
    said = [
        f"predicted {figure(band.predicted)}, observed {figure(band.observed)}, {count(band.rows)} rows"
        for band in bands
    ]
    return [line(points, "model"), *dots([(*at, text) for at, text in zip(points, said, strict=True)], "spot-model")]


def _said(bands: Sequence[Band]) -> str:
    return ", ".join(f"{figure(band.predicted, 3)} → {figure(band.observed, 3)}" for band in bands)


def _rows(low: float, high: float, rows: int) -> str:
    return f"{figure(low, 3)} … {figure(high, 3)}: {count(rows)} rows"


def _confusion(manifest: Manifest) -> Element | None:
    """Test rows by true and predicted class, shaded by their share of the true class."""
    classes = manifest.classes
    tables = [fold.confusion for fold in manifest.folds if fold.confusion]
    if not tables or not 2 <= len(classes) <= MAX_CLASSES:
        return None
    size = range(len(classes))
    total = [[sum(each[i][j] for each in tables) for j in size] for i in size]
    rows: list[list[Content]] = [
        [name, *(_shaded(cell, sum(counts)) for cell in counts)] for name, counts in zip(classes, total, strict=True)
    ]
    return section(
        "Confusion",
        table(["true \\ predicted", *classes], rows, kind="confusion"),
        note="Test rows of all windows; shaded by the share of the true class.",
    )


def _shaded(rows: int, of: int) -> Element:
    share = rows / of if of else 0.0
    return element("span", count(rows), element("small", percent(share)), class_=f"shade shade-{round(share * SHADES)}")


def _learning(manifest: Manifest, points: Sequence[LearningPoint]) -> Element | None:
    """The headline measure against the rows learned from, on a logarithmic axis."""
    if len(points) < 2 or not manifest.folds:
        return None
    measure = HEADLINES[manifest.task]
    found = verdict(manifest.task, manifest.folds[-1].metrics, manifest.folds[-1].baselines)
    naive = [found.baseline] if found else []
    y = ticks([*(point.value for point in points), *naive])
    scale, across = y.scale, Scale(math.log(points[0].rows), math.log(points[-1].rows))
    places = [(across.at(math.log(point.rows)), scale.up(point.value)) for point in points]
    said = [f"{count(point.rows)} rows: {figure(point.value)}" for point in points]
    shapes: list[Content] = [level(scale.up(value), "naive-1") for value in naive]
    shapes += [line(places, "model"), *dots([(*at, text) for at, text in zip(places, said, strict=True)], "spot-model")]
    names = [("spot-model", manifest.algorithm), *([("naive-1", found.baseline_name)] if found else [])]
    return section(
        "Learning curve",
        legend(names),
        plot(
            shapes,
            says=f"{title(measure)} in the last window: {'; '.join(said)}",
            y=y,
            x=[count(point.rows) for point in points],
            y_title=title(measure),
            x_title="training rows",
            kind="square",
        ),
        element("p", _advice(points)),
        note="The last window once more, learned from fewer of its rows.",
    )


def _advice(points: Sequence[LearningPoint]) -> str:
    before, last = points[-2], points[-1]
    factor = last.rows / before.rows
    gain = (before.value - last.value) / before.value if before.value > 0 else 0.0
    if gain > 0.02:
        return f"{factor:.0f} times the rows took {percent(gain)} off: more data is likely to help further."
    if gain < -0.02:
        return f"{factor:.0f} times the rows made it {percent(-gain)} worse: older rows may tell of another world."
    return f"{factor:.0f} times the rows changed it by {percent(abs(gain))}: more of the same data would hardly help."
