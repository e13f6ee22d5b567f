"""Trying a model: on its sample as it would be served, twice, row by row, and in the largest batch.

Sizes in a graph follow from the number of rows alone (`shaping`), so what the largest batch takes here is the most that
it will ever take.
"""

import time
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from forecastle.errors import FieldProblem, clip
from forecastle.registry.errors import BadFeatures, GraphInvalid
from forecastle.registry.manifest import Manifest
from forecastle.registry.predictor import Matrix, Output, Predictor
from forecastle.registry.runtime import explain, open_session
from forecastle.uploads.document import Document
from forecastle.uploads.errors import ModelRefused
from forecastle.uploads.interface import Interface

Answers: TypeAlias = npt.NDArray[np.float64]

RTOL, ATOL = 1e-4, 1e-6
"""What rounding in float32 may come to between two ways of computing the same."""
ADAPTED_RTOL = 1e-6
PROBED_ROWS = 3
ALONE_ROWS = 16
SUM_TOLERANCE = 1e-3
SHOWN = 5


class FileGraph:
    """The graph of the file as it is, without our input and output.

    Raises:
        ModelRefused: it does not load.
    """

    def __init__(self, graph: bytes, interface: Interface) -> None:
        self._interface = interface
        try:
            self._session = open_session(graph)
        except Exception as error:  # the runtime's errors share no base class
            raise ModelRefused.quoting(
                "file", expected="a graph that ONNX Runtime loads", said=explain(error)
            ) from error

    def run(self, matrix: Matrix, *, field: str) -> npt.NDArray[Any]:
        """Its answers for a matrix of features [N, F].

        Raises:
            ModelRefused: it does not run on them; `field` says what they are.
        """
        interface = self._interface
        if interface.matrix:
            feed = {interface.inputs[0].name: matrix.astype(interface.dtypes[0])}
        else:
            feed = {
                port.name: matrix[:, number].astype(dtype).reshape([-1] + [1] * (len(port.shape) - 1))
                for number, (port, dtype) in enumerate(zip(interface.inputs, interface.dtypes, strict=True))
            }
        try:
            answer: npt.NDArray[Any] = self._session.run([interface.output.name], feed)[0]
        except Exception as error:  # the runtime's errors share no base class
            raise ModelRefused.quoting(field, expected="a graph that runs", said=explain(error)) from error
        return answer

    def width(self, document: Document) -> int:
        """How many numbers it gives for a row, found out on rows of zeros.

        Raises:
            ModelRefused: it gives something else than so many for each row, or than it declares.
        """
        answer = self.run(np.zeros((PROBED_ROWS, len(document.schema_.inputs))), field="file")
        classes = len(document.classes)
        wanted = [(PROBED_ROWS,), (PROBED_ROWS, 1)] if classes <= 2 else []
        wanted += [(PROBED_ROWS, classes)] if classes else []
        declared = self._interface.declared
        if answer.shape not in wanted or (declared is not None and len(declared) != answer.ndim):
            place = f"file.graph.output {clip(self._interface.output.name)!r}"
            expected = f"{' or '.join(map(_sizes, wanted))}, as declared, from {PROBED_ROWS} rows"
            raise ModelRefused.at(place, expected=expected, found=_sizes(answer.shape))
        return answer.shape[1] if answer.ndim == 2 else 1


def try_out(
    graph: bytes, theirs: FileGraph, manifest: Manifest, document: Document, *, sizes: range, run_s: float
) -> float | None:
    """Run the adapted graph as it would be served.

    Args:
        graph: with our own input and output.
        theirs: the graph without them.
        manifest: of the model to be.
        document: holds the sample, and the answers that are expected.
        sizes: of batches to try, up to the largest that is served.
        run_s: the most processor time that a batch may take.

    Returns:
        The largest difference from the answers that were expected; None if none were.

    Raises:
        ModelRefused: the model's answers are not what they must be.
    """
    try:
        predictor = Predictor(graph, manifest)
    except GraphInvalid as error:
        raise ModelRefused.quoting("file", expected="a graph that can be served", said=error.message) from error
    try:
        matrix = predictor.encode(document.sample, label="sample[{}]")
    except BadFeatures as error:
        raise ModelRefused(problems=error.problems) from error
    answers = _finite(predictor, matrix)
    _check_adapted(answers, theirs.run(matrix, field="sample"))
    if not np.array_equal(answers, _numbers(Predictor(graph, manifest).predict(matrix))):
        raise ModelRefused.at("file", expected="the same answers when it is asked again", found="others")
    _check_probabilities(answers, manifest)
    _check_alone(predictor, matrix, answers)
    for rows in sizes:
        _check_batch(predictor, matrix, rows, run_s)
    return _compare(answers, document)


def _finite(predictor: Predictor, matrix: Matrix) -> Answers:
    bad = []
    for number, row in enumerate(matrix):
        try:
            predictor.predict(row[None, :])
        except BadFeatures as error:
            (problem,) = error.problems
            bad.append(FieldProblem(f"sample[{number}]", problem.expected, problem.found or "NaN or infinite"))
    if bad:
        raise ModelRefused(problems=bad[:SHOWN])
    return _numbers(predictor.predict(matrix))


def _numbers(output: Output) -> Answers:
    return np.array(output.values, dtype=np.float64) if output.probabilities is None else output.probabilities


def _check_adapted(answers: Answers, theirs: npt.NDArray[Any]) -> None:
    """Our input and output must change nothing."""
    ours = answers[:, 1] if answers.ndim == 2 and theirs.size == len(answers) else answers
    if not np.allclose(ours.reshape(theirs.shape), theirs, rtol=ADAPTED_RTOL, atol=0.0):
        raise ModelRefused.at(
            "file", expected="a graph that answers the same between our input and output", found="others"
        )


def _check_probabilities(answers: Answers, manifest: Manifest) -> None:
    if not manifest.classes:
        return
    off = (answers < -SUM_TOLERANCE).any(axis=1) | (np.abs(answers.sum(axis=1) - 1) > SUM_TOLERANCE)
    if off.any():
        row = int(off.argmax())
        expected = "probabilities: none below 0, and 1 in all"
        raise ModelRefused.at(f"sample[{row}]", expected=expected, found=str(answers[row][:SHOWN].tolist()))


def _check_alone(predictor: Predictor, matrix: Matrix, answers: Answers) -> None:
    for number, row in enumerate(matrix[:ALONE_ROWS]):
        alone = _numbers(predictor.predict(row[None, :]))[0]
        if not np.allclose(alone, answers[number], rtol=RTOL, atol=ATOL):
            expected = f"the same answer by itself as among others, {_shown(answers[number])}"
            raise ModelRefused.at(f"sample[{number}]", expected=expected, found=_shown(alone))


def _check_batch(predictor: Predictor, matrix: Matrix, rows: int, run_s: float) -> None:
    batch = np.resize(matrix, (rows, matrix.shape[1]))
    started = time.process_time()
    try:
        output = predictor.predict(batch)
    except BadFeatures as error:
        found = error.problems[0].found or "NaN or infinite"
        raise ModelRefused.quoting("file", expected=f"an answer for a batch of {rows} rows", said=found) from error
    took = time.process_time() - started
    if len(output.values) != rows:
        raise ModelRefused.at("file", expected=f"{rows} answers for {rows} rows", found=str(len(output.values)))
    if took > run_s:
        raise ModelRefused.at("file", expected=f"at most {run_s:g} s for {rows} rows", found=f"{took:.2f} s")


def _compare(answers: Answers, document: Document) -> float | None:
    if document.expected is None:
        return None
    differences, problems = [0.0], []
    for number, (answer, expected) in enumerate(zip(answers, document.expected, strict=True)):
        field = f"expected[{number}]"
        wanted = _wanted(expected, document.classes, field)
        if isinstance(wanted, str):
            found = document.classes[int(np.argmax(answer))]
            if found != wanted:
                problems.append(FieldProblem(field, f"what the model answers, {found!r}", repr(wanted)))
            continue
        differences.append(float(np.max(np.abs(answer - wanted))))
        if not np.allclose(answer, wanted, rtol=RTOL, atol=ATOL):
            problems.append(FieldProblem(field, f"what the model answers, {_shown(answer)}", _shown(wanted)))
    if problems:
        raise ModelRefused(problems=problems[:SHOWN])
    return max(differences)


def _wanted(expected: float | str | Sequence[float], classes: Sequence[str], field: str) -> str | Answers:
    match expected:
        case str() if expected in classes:
            return expected
        case list() if classes and len(expected) == len(classes):
            return np.array(expected)
        case float() if not classes:
            return np.array(expected)
    words = f"one of {', '.join(classes)}, or {len(classes)} probabilities" if classes else "a number"
    raise ModelRefused.at(field, expected=clip(words, 200), found=expected)


def _shown(values: Any) -> str:
    rounded = np.round(np.asarray(values, dtype=np.float64), 9)
    return clip(str(rounded.tolist()))


def _sizes(shape: Sequence[int]) -> str:
    return str(list(shape))
