"""The operators that an uploaded graph may use: arithmetic on tensors, and the models of ai.onnx.ml.

Left out are, on purpose: control flow (If, Loop, Scan, SequenceMap), whose running time a trial cannot bound; random
operators, and Dropout, which may be one; those whose output's shape depends on values (NonZero, Compress, Unique,
NonMaxSuppression); sequences, maps, optionals and texts; decoders of images and signals.
"""

from collections.abc import Mapping

STANDARD, ML = "", "ai.onnx.ml"

_ELEMENTWISE = """
Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil Celu
Clip Cos Cosh Div Elu Equal Erf Exp Floor Gelu Greater GreaterOrEqual HardSigmoid HardSwish Identity IsInf IsNaN
LeakyRelu Less LessOrEqual Log Max Mean Min Mish Mod Mul Neg Not Or PRelu Pow Reciprocal Relu Round Selu Shrink Sigmoid
Sign Sin Sinh Softplus Softsign Sqrt Sub Sum Swish Tan Tanh ThresholdedRelu Where Xor
"""
_MATRICES = """
ArgMax ArgMin CumSum Det Einsum Gemm Hardmax LogSoftmax LpNormalization MatMul MatMulInteger ReduceL1 ReduceL2
ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Softmax TopK
"""
_SHAPES = """
Concat Constant ConstantOfShape Expand EyeLike Flatten Gather GatherElements GatherND OneHot Pad Range Reshape
ReverseSequence ScatterElements ScatterND Shape Size Slice Split Squeeze Tile Transpose Trilu Unsqueeze
"""
_NETWORKS = """
AveragePool BatchNormalization Conv GlobalAveragePool GlobalMaxPool GroupNormalization GRU
InstanceNormalization LayerNormalization LSTM MaxPool MeanVarianceNormalization RMSNormalization RNN
DequantizeLinear DynamicQuantizeLinear QLinearMatMul QuantizeLinear
"""
_MODELS = """
ArrayFeatureExtractor Binarizer FeatureVectorizer Imputer LabelEncoder LinearClassifier LinearRegressor Normalizer
OneHotEncoder SVMClassifier SVMRegressor Scaler TreeEnsemble TreeEnsembleClassifier TreeEnsembleRegressor
"""

ALLOWED: Mapping[str, frozenset[str]] = {
    STANDARD: frozenset(f"{_ELEMENTWISE}{_MATRICES}{_SHAPES}{_NETWORKS}".split()),
    ML: frozenset(_MODELS.split()),
}

SHAPING: Mapping[str, tuple[int, ...]] = {
    "ConstantOfShape": (0,),
    "Expand": (1,),
    "OneHot": (1,),
    "Pad": (1, 3),
    "Range": (0, 1, 2),
    "Reshape": (1,),
    "Slice": (1, 2, 3, 4),
    "Split": (1,),
    "Squeeze": (1,),
    "Tile": (1,),
    "TopK": (1,),
    "Unsqueeze": (1,),
} | {name: (1,) for name in _MATRICES.split() if name.startswith("Reduce")}
"""Inputs that decide how large the output is, by operator."""

SHAPES_ONLY = frozenset({"Shape", "Size"})
"""What they give depends on no value."""

HINTS: Mapping[str, str] = {
    "ZipMap": "; export it with the option zipmap off, so that it gives a tensor",
    "Dropout": "; export it in evaluation mode, where it does nothing",
}


def domain_of(name: str) -> str:
    """The one spelling of a domain that has two."""
    return STANDARD if name == "ai.onnx" else name


def spelled(domain: str, operator: str) -> str:
    """An operator as people call it."""
    return f"{operator} of {domain or 'ai.onnx'}"
