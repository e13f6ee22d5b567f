"""Forecastle: a self-hosted prediction service that proves what it promises."""

from importlib.metadata import version

__version__ = version("forecastle")
__all__ = ["__version__"]
