from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecastle.features.functions.mixture import fit, upper_probability

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

pytestmark = pytest.mark.usefixtures("as_the_engine")


@pytest.fixture
def as_the_engine() -> Iterator[None]:
    """Kernels run with these warnings off."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        yield


def clusters(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """700 calm and 300 wild points; the wild are higher in the first dimension, lower in the second."""
    random = np.random.default_rng(seed)
    x = np.concatenate([random.normal(1, 0.2, 700), random.normal(4, 1.0, 300)])
    y = np.concatenate([random.normal(0, 1, 700), random.normal(-3, 2, 300)])
    order = random.permutation(1000)
    return x[order], y[order]


def test_finds_the_two_clusters_of_one_dimension() -> None:
    state = fit(clusters()[0])
    assert state["weight"] == pytest.approx(0.3, abs=0.03)
    assert state["lower_mean_0"] == pytest.approx(1, abs=0.05)
    assert state["upper_mean_0"] == pytest.approx(4, abs=0.3)
    assert state["upper_cov_0_0"] == pytest.approx(1, abs=0.3)
    assert upper_probability(state, np.array([1.0, 5.0, np.nan])) == pytest.approx(
        [0, 1, np.nan], abs=0.02, nan_ok=True
    )


def test_finds_the_two_clusters_of_two_dimensions() -> None:
    state = fit(*clusters())
    assert state["weight"] == pytest.approx(0.3, abs=0.03)
    assert state["upper_mean_1"] == pytest.approx(-3, abs=0.4)
    assert set(state) == {
        "weight", "lower_mean_0", "lower_mean_1", "upper_mean_0", "upper_mean_1",
        "lower_cov_0_0", "lower_cov_0_1", "lower_cov_1_1", "upper_cov_0_0", "upper_cov_0_1", "upper_cov_1_1",
    }  # fmt: skip


def test_probabilities_are_those_of_the_two_densities() -> None:
    state = fit(clusters()[0])
    x = np.linspace(-1, 8, 50)

    def density(side: str) -> np.ndarray:
        mean, variance = state[f"{side}_mean_0"], state[f"{side}_cov_0_0"]
        return np.asarray(np.exp(-((x - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance))

    upper, lower = state["weight"] * density("upper"), (1 - state["weight"]) * density("lower")
    assert upper_probability(state, x) == pytest.approx(upper / (upper + lower))


def test_is_deterministic_and_leaves_missing_points_out() -> None:
    x, y = clusters()
    assert fit(x, y) == fit(x.copy(), y.copy())
    holed = np.concatenate([x, [np.nan, 9.0]]), np.concatenate([y, [1.0, np.nan]])
    assert fit(*holed) == fit(x, y)


@pytest.mark.parametrize("points", [[], [1.0], [1.0, 2.0, 3.0], [5.0] * 100, [np.nan] * 10])
def test_too_little_to_learn_from_gives_missing(points: list[float]) -> None:
    state = fit(np.array(points))
    assert state == {}
    assert np.isnan(upper_probability(state, np.array([1.0, 2.0]))).all()


@given(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=60))
@UNHURRIED
def test_any_points_give_probabilities(points: list[float]) -> None:
    x = np.array(points)
    state = fit(x)
    assert all(np.isfinite(value) for value in state.values())
    found = upper_probability(state, x)
    assert (np.isnan(found) | ((found >= 0) & (found <= 1))).all()
    assert not state or state["upper_mean_0"] >= state["lower_mean_0"]
