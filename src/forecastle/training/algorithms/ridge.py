"""Linear regression with an L2 penalty: min |y - Xw - b|² + alpha |w|²."""

from sklearn.linear_model import Ridge

from forecastle.training.algorithms.fitted import Options
from forecastle.training.algorithms.linear import FittedLine
from forecastle.training.arrays import Floats


def fit(matrix: Floats, target: Floats, options: Options) -> FittedLine:
    """Fit on columns [N, P] and values [N]."""
    model = Ridge(alpha=options.hyperparameters["alpha"], solver="cholesky").fit(matrix, target)
    return FittedLine(model.coef_, float(model.intercept_))
