"""What there is to say of a model that was made elsewhere, and what is not known of it."""

from xml.etree.ElementTree import Element

from forecastle.registry.manifest import Manifest, UploadFacts
from forecastle.registry.report.inputs import CATEGORIES, SHOWN
from forecastle.registry.report.markup import Content, element
from forecastle.registry.report.numbers import count, figure
from forecastle.registry.report.parts import chip, code, facts, many, section, table

UNKNOWN = (
    ("training", "what it learned from, when, and how"),
    ("quality", "how good it is on rows it has not seen: there are no measures and no naive forecasts beside them"),
    ("leakage", "whether anything in its training looked ahead"),
    ("importances", "how much each input matters to it"),
    ("intervals", "how far off its predictions usually are"),
)


def headline() -> Element:
    """In place of a verdict."""
    return element(
        "section",
        element("h2", "Uploaded: how good it is, is not known here"),
        element("p", "It was made elsewhere, checked, and tried on a sample. Nothing else is known of it."),
        class_="verdict unknown",
    )


def badges(upload: UploadFacts | None) -> Element:
    """What was found out, in a word each."""
    compared = upload is not None and upload.largest_difference is not None
    shown = [chip("uploaded", "plain"), chip("✓ answers as expected", "good") if compared else None]
    return element("p", shown, class_="chips")


def about(upload: UploadFacts) -> Element:
    """What came in."""
    difference = upload.largest_difference
    outcome = (
        "no answers were given to compare with"
        if difference is None
        else f"at most {figure(difference, 2)} from the answers that were given with it"
    )
    said: list[tuple[str, Content]] = [
        ("about it", upload.description),
        ("file", [f"{count(upload.file_bytes)} bytes, ", code(f"sha256 {upload.file_sha256}")]),
        ("made by", upload.producer),
        ("operators", ", ".join(f"{count(number)} {name}" for name, number in upload.operators.items())),
        ("tried on", f"{count(upload.sample_rows)} rows, twice, one by one and together: {outcome}"),
    ]
    return section("The file", facts(said))


def unknown() -> Element:
    """What a report of a model that was trained here would say."""
    return section("Not known", facts(list(UNKNOWN)))


def features(manifest: Manifest) -> Element:
    """Every input, and what is sent for it."""
    rows: list[list[Content]] = [
        [code(column.name), _kind(column.categories, whole=column.whole_up_to is not None)]
        for column in manifest.features
    ]
    shown, rest = rows[:SHOWN], rows[SHOWN:]
    head = ["name", "kind"]
    return section(
        f"{count(len(rows))} input{'s' * (len(rows) != 1)}",
        many(
            table(head, shown, numbers=False),
            table(head, rest, numbers=False) if rest else None,
            more=len(rest),
            what="inputs",
        ),
        note="In the order of the graph. How each is computed, its caller knows.",
        kind="wide long",
    )


def versions(manifest: Manifest, upload: UploadFacts) -> Element:
    """Of what it was written for, and what it was checked by."""
    pairs: list[tuple[str, Content]] = [(f"opset of {name}", str(version)) for name, version in upload.opsets.items()]
    pairs.append(("format", f"IR version {upload.ir_version}"))
    pairs += [(f"checked by {name}", version) for name, version in manifest.software.items()]
    return section("Versions", facts(pairs))


def _kind(categories: tuple[str, ...], *, whole: bool) -> str:
    if not categories:
        return "whole number" if whole else "number"
    more = len(categories) - CATEGORIES
    return f"category: {', '.join(categories[:CATEGORIES])}{f', … {count(more)} more' if more > 0 else ''}"
