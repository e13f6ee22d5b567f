"""The page: sections in their order, one style sheet, and the policy that lets nothing else in."""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from importlib.resources import files
from xml.etree.ElementTree import Element

from forecastle import __version__
from forecastle.registry.report import inputs, origin, outcomes, scores, uploaded
from forecastle.registry.report.markup import document, element
from forecastle.registry.report.parts import chip
from forecastle.registry.report.subject import Subject

STYLE = files(__package__).joinpath("style.css").read_text(encoding="utf-8")
_DIGEST = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY = f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'"
"""What the page needs of a browser: its own style sheet and nothing else."""


def render(subject: Subject) -> str:
    """The report as one page of HTML."""
    model, manifest = subject.model, subject.manifest
    title = f"{model.name} version {model.version}"
    if manifest.upload is not None:
        cards = [uploaded.about(manifest.upload), uploaded.unknown(), uploaded.features(manifest)]
        cards += [origin.family(subject), uploaded.versions(manifest, manifest.upload)]
        return _page(subject, title, uploaded.headline(), cards)
    sections = [
        scores.measures(manifest),
        scores.windows(manifest),
        scores.timeline(manifest),
        *outcomes.sections(manifest),
        inputs.importances(manifest),
        inputs.features(manifest),
        origin.proofs(manifest),
        origin.data(subject),
        origin.family(subject),
        origin.software(manifest),
        origin.recipe(manifest),
    ]
    cohort = subject.lineage.cohort
    verdict = scores.headline(manifest, siblings=cohort.total - 1 if cohort else 0)
    return _page(subject, title, verdict, sections)


def _page(subject: Subject, title: str, verdict: Element, sections: Sequence[Element | None]) -> str:
    main = element("main", _head(subject, title), verdict, element("div", sections, class_="cards"))
    return document(language="en", head=_metadata(title), body=[main, _foot(subject)])


def _metadata(title: str) -> list[Element]:
    return [
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=CONTENT_SECURITY_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{title} · report"),
        element("style", STYLE),
    ]


def _head(subject: Subject, title: str) -> Element:
    model, manifest = subject.model, subject.manifest
    on = f" on {manifest.dataset}" if manifest.dataset else ""
    chips = [chip(model.stage, f"stage {model.stage}"), *(chip(tag, "plain") for tag in model.tags)]
    return element(
        "header",
        element("p", f"{manifest.algorithm} · {manifest.task}{on}", class_="over"),
        element("h1", title, " ", chips),
        element("p", "Predicts ", origin.predicted(manifest.target), ".", class_="lead"),
        origin.badges(manifest) if manifest.origin == "trained" else uploaded.badges(manifest.upload),
    )


def _foot(subject: Subject) -> Element:
    model = subject.model
    made = f"made {model.created_at:%Y-%m-%d %H:%M} UTC"
    text = f"{model.id} · {made} · reported by Forecastle {__version__} · manifest sha256 {model.manifest_sha256}"
    return element("footer", element("p", text))
