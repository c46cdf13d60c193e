"""The package that a report needs, and that an installation may lack."""

from __future__ import annotations

from importlib.util import find_spec

__all__ = ["MissingPackageError", "require_bokeh"]


class MissingPackageError(ImportError):
    """Raised if a package of an extra is not installed; the message says how to install it."""


def require_bokeh() -> None:
    """Check that Bokeh is installed, which draws the charts of a report.

    Raises
    ------
    MissingPackageError
        If it is not.
    """
    if find_spec("bokeh") is None:
        raise MissingPackageError("a report needs the package Bokeh: pip install 'cutlayer[report]'")
