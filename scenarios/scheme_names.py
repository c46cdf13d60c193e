"""The schemes that a user names: by label, by the label as papers write it, or by scheme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .suggestions import closest

__all__ = ["UnknownSchemeError", "labels_of"]


class UnknownSchemeError(ValueError):
    """Raised if no scheme has a name; the message lists the labels that exist."""


def labels_of(wanted: Sequence[str], schemes: Mapping[str, tuple[str, str]]) -> list[str]:
    """Return the labels of the schemes that are wanted, in the order of ``schemes``; all if none is wanted.

    Parameters
    ----------
    wanted : sequence of str
        Labels, labels as papers write them, or names of schemes. A text that is none of these is a
        comma-separated list of them.
    schemes : mapping of str to (str, str)
        The name of the scheme, and the label as papers write it, of each label.

    Raises
    ------
    UnknownSchemeError
        If no scheme has a name.
    """
    names = {label: {label, *other} for label, other in schemes.items()}
    every = set().union(*names.values())
    each = [name.strip() for text in wanted for name in ([text] if text in every else text.split(","))]
    unknown = [name for name in each if name not in every]
    if unknown:
        raise UnknownSchemeError(
            f"no scheme is named {', '.join(map(repr, unknown))}; there are: {', '.join(schemes)}"
            f"{closest(unknown[0], sorted(every))}"
        )
    return [label for label, known in names.items() if not wanted or known & set(each)]
