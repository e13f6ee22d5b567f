"""What the model looks at: its features, how each is computed, and how much each matters."""

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from forecastle.registry.describe import Importance, Ranking, rank
from forecastle.registry.manifest import FeatureColumn, Manifest
from forecastle.registry.report.markup import Content, element
from forecastle.registry.report.numbers import NONE, count, figure
from forecastle.registry.report.parts import code, many, section, table
from forecastle.registry.report.plots import bar

SHOWN = 15
CATEGORIES = 5
METHODS = {
    "permutation": "How much the loss grows when a feature's values are shuffled, on the last window's test rows.",
    "tree": "How much the trees' splits on a feature gained.",
    "coefficient": "Coefficients of the standardised features; the sign is the direction.",
}


def importances(manifest: Manifest) -> Element:
    """Features as bars, the most important first."""
    ranking = rank(manifest)
    if not any(each.importance for each in ranking.features):
        return section(
            "Importances", element("p", "No feature matters to this model: it predicts the same for every row.")
        )
    rows = [_row(each, ranking) for each in ranking.features]
    return section(
        "Importances",
        many(
            _bars(rows[:SHOWN]),
            _bars(rows[SHOWN:]),
            more=len(rows) - SHOWN if len(rows) > SHOWN else 0,
            what="features",
        ),
        note=METHODS.get(ranking.method or ""),
    )


def features(manifest: Manifest) -> Element:
    """Every feature with its expression."""
    learned = manifest.feature_states
    rows: list[list[Content]] = [
        [
            code(column.name),
            code(column.expression),
            _kind(column),
            *([_states(learned.get(column.expression))] if learned else []),
        ]
        for column in manifest.features
    ]
    head = ["name", "expression", "kind", *(["learned in training"] if learned else [])]
    shown, rest = rows[:SHOWN], rows[SHOWN:]
    return section(
        f"{count(len(rows))} feature{'s' * (len(rows) != 1)}",
        many(
            table(head, shown, numbers=False),
            table(head, rest, numbers=False) if rest else None,
            more=len(rest),
            what="features",
        ),
        _pruned(manifest.pruned),
        note="Each sees the past only. The same code computes them for training and for serving.",
        kind="wide long",
    )


def _pruned(names: Sequence[str]) -> Element | None:
    if not names:
        return None
    return element("p", f"Left out, for they tell nothing of the target: {', '.join(names)}.")


def _bars(rows: list[Element]) -> Element:
    return element("table", element("tbody", rows), class_="bars")


def _row(each: Importance, ranking: Ranking) -> Element:
    most = max(abs(other.importance) for other in ranking.features)
    return element(
        "tr",
        element("th", each.feature, scope="row"),
        element("td", bar(abs(each.importance) / most, "fill-model" if each.importance >= 0 else "fill-harm")),
        element("td", figure(each.importance, 3), class_="number"),
    )


def _kind(column: FeatureColumn) -> Content:
    if column.kind == "number":
        return "number"
    shown = ", ".join(column.categories[:CATEGORIES])
    more = len(column.categories) - CATEGORIES
    return f"category: {shown}{f', … {count(more)} more' if more > 0 else ''}"


def _states(states: dict[str, float] | None) -> str:
    if not states:
        return NONE
    shown = [f"{name} {figure(value)}" for name, value in list(states.items())[:CATEGORIES]]
    return ", ".join(shown) + (", …" if len(states) > CATEGORIES else "")
