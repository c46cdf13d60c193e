"""The labels of schemes: the default label of files and options, and its form in figures and tables."""

from __future__ import annotations

from ..registry import lookup
from ..schema.registered import SchemeParameters

__all__ = ["default_label", "paper_label"]


def default_label(scheme: SchemeParameters) -> str:
    """Return the name of a scheme with the parameters that distinguish it: ``epsl φ=0.5``."""
    return " ".join((scheme.name, *_details(scheme)))


def paper_label(scheme: SchemeParameters) -> str:
    """Return the label of a scheme as papers write it: ``EPSL (φ = 0.5)``.

    A user's own label stays as it is, unless it is the name of the scheme.

    Raises
    ------
    UnknownNameError
        If no scheme has the name.
    """
    name, details = lookup("scheme", scheme.name).display_name, ", ".join(_details(scheme))
    if scheme.label in (None, default_label(scheme)):
        return f"{name} ({details.replace('=', ' = ')})" if details else name
    return name if scheme.label == scheme.name else str(scheme.label)


def _details(scheme: SchemeParameters) -> tuple[str, ...]:
    """Return the details of the default label, with the compression if it is not the scheme's default."""
    compression, default = scheme.compression, type(scheme).model_fields["compression"].default
    if compression is None or compression == default:
        return scheme.label_details()
    return (*scheme.label_details(), compression.label)
