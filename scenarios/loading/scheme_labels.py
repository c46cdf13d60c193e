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

    A user's own label stays as it is, unless it is the default one, or a beginning of it such as the name of
    the scheme alone.

    Raises
    ------
    UnknownNameError
        If no scheme has the name.
    """
    name, details = lookup("scheme", scheme.name).display_name, _details(scheme)
    label = default_label(scheme) if scheme.label is None else str(scheme.label)
    for count in range(len(details), -1, -1):
        if label == " ".join((scheme.name, *details[:count])):
            shown = ", ".join(details[:count]).replace("=", " = ")
            return f"{name} ({shown})" if shown else name
    return label


def _details(scheme: SchemeParameters) -> tuple[str, ...]:
    """Return the details of the default label, with the compression if it is not the scheme's default."""
    compression, default = scheme.compression, type(scheme).model_fields["compression"].default
    if compression is None or compression == default:
        return scheme.label_details()
    return (*scheme.label_details(), compression.label)
