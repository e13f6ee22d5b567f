"""Features: declared, past-only expressions over a table, computed by one implementation wherever they are needed."""

from forecastle.features.describe import FunctionFacts, ParameterFacts, catalogue

FEATURE_VERSION = 4
"""Raised whenever a feature's numbers change; part of every fingerprint."""

__all__ = ["FEATURE_VERSION", "FunctionFacts", "ParameterFacts", "catalogue"]
