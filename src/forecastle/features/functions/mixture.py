"""A mixture of two Gaussians fitted by expectation-maximisation, in one or two dimensions; deterministic.

State: `weight` of the upper cluster, and for each cluster `lower`/`upper` its `mean_i` and `cov_i_j`.
The upper cluster is the one with the greater mean of the first dimension.
"""

import math

import numpy as np

from forecastle.features.functions.declare import State, Values

_ITERATIONS = 200
_TOLERANCE = 1e-10
_FLOOR = 1e-6
"""Least variance of a cluster, as a share of the variance of all points."""


def fit(*dimensions: Values) -> State:
    """The state learned from points given by dimension; missing coordinates leave a point out.

    Starts from the points below and above the median of the first dimension. Fewer than four points, or points
    without any spread, give an empty state, with which every row is missing.
    """
    points = np.column_stack(dimensions)
    points = points[np.isfinite(points).all(axis=1)]
    scale = points.std(axis=0) if len(points) >= 4 else np.zeros(1)
    if not (scale > 0).all():
        return {}
    centre = points.mean(axis=0)
    scaled = (points - centre) / scale
    share = (scaled[:, 0] > np.median(scaled[:, 0])).astype(np.float64)
    weight, means, covariances = _maximise(scaled, share)
    reached = -math.inf
    for _ in range(_ITERATIONS):
        logs = _log_densities(scaled, weight, means, covariances)
        total = np.logaddexp(logs[0], logs[1])
        likelihood = float(total.mean())
        if likelihood - reached < _TOLERANCE:
            break
        reached = likelihood
        weight, means, covariances = _maximise(scaled, np.exp(logs[1] - total))
    if means[1][0] < means[0][0]:
        weight, means, covariances = 1.0 - weight, means[::-1], covariances[::-1]
    return _state(weight, means * scale + centre, covariances * np.outer(scale, scale))


def upper_probability(state: State, *dimensions: Values) -> Values:
    """Probability that each point belongs to the upper cluster; NaN where a coordinate is missing."""
    points = np.column_stack(dimensions)
    if not state:
        return np.full(len(points), np.nan)
    size = range(points.shape[1])
    means = np.array([[state[f"{side}_mean_{i}"] for i in size] for side in ("lower", "upper")])
    covariances = np.array(
        [[[state[f"{side}_cov_{min(i, j)}_{max(i, j)}"] for j in size] for i in size] for side in ("lower", "upper")]
    )
    lower, upper = _log_densities(points, state["weight"], means, covariances)
    return np.exp(upper - np.logaddexp(lower, upper))


def _maximise(points: Values, share: Values) -> tuple[float, Values, Values]:
    """Weight, means and covariances given each point's share in the upper cluster."""
    means, covariances = [], []
    for part in (1.0 - share, share):
        total = max(float(part.sum()), 1e-12)
        mean = (points * part[:, None]).sum(axis=0) / total
        centred = points - mean
        covariance = (centred[:, :, None] * centred[:, None, :] * part[:, None, None]).sum(axis=0) / total
        means.append(mean)
        covariances.append(covariance + _FLOOR * np.eye(len(mean)))
    weight = min(max(float(share.mean()), 1e-9), 1.0 - 1e-9)
    return weight, np.array(means), np.array(covariances)


def _log_densities(points: Values, weight: float, means: Values, covariances: Values) -> tuple[Values, Values]:
    """Logarithm of weight times density of every point in the lower and in the upper cluster."""
    shares = (1.0 - weight, weight)
    lower, upper = (
        math.log(share) + _log_density(points, mean, covariance)
        for share, mean, covariance in zip(shares, means, covariances, strict=True)
    )
    return lower, upper


def _log_density(points: Values, mean: Values, covariance: Values) -> Values:
    if len(mean) == 1:
        distance = (points[:, 0] - mean[0]) ** 2 / covariance[0, 0]
        determinant = covariance[0, 0]
    else:
        determinant = covariance[0, 0] * covariance[1, 1] - covariance[0, 1] ** 2
        dx, dy = points[:, 0] - mean[0], points[:, 1] - mean[1]
        distance = (
            covariance[1, 1] * dx * dx - 2 * covariance[0, 1] * dx * dy + covariance[0, 0] * dy * dy
        ) / determinant
    density: Values = -0.5 * (distance + math.log(determinant) + len(mean) * math.log(2.0 * math.pi))
    return density


def _state(weight: float, means: Values, covariances: Values) -> State:
    state = {"weight": float(weight)}
    for side, mean, covariance in zip(("lower", "upper"), means, covariances, strict=True):
        for i in range(len(mean)):
            state[f"{side}_mean_{i}"] = float(mean[i])
            state |= {f"{side}_cov_{i}_{j}": float(covariance[i, j]) for j in range(i, len(mean))}
    return state
