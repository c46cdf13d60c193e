"""The schemes that a user names for a figure: by label, by the label as papers write it, or by scheme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...scenarios.suggestions import closest

__all__ = ["UnknownSchemeError", "labels_of"]


class UnknownSchemeError(ValueError):
    """Raised if no scheme has a name; the message lists the labels that exist."""


def labels_of(wanted: Sequence[str], schemes: Mapping[str, tuple[str, str]]) -> list[str]:
    """Return the labels of the schemes that are wanted, in the order of ``schemes``; all if none is wanted.

    Parameters
    ----------
    wanted : sequence of str
        Labels, labels as papers write them, or names of schemes.
    schemes : mapping of str to (str, str)
        The name of the scheme, and the label as papers write it, of each label.

    Raises
    ------
    UnknownSchemeError
        If no scheme has a name.
    """
    names = {label: {label, *other} for label, other in schemes.items()}
    unknown = [name for name in wanted if not any(name in known for known in names.values())]
    if unknown:
        raise UnknownSchemeError(
            f"no scheme is named {', '.join(map(repr, unknown))}; there are: {', '.join(schemes)}"
            f"{closest(unknown[0], list(schemes))}"
        )
    return [label for label, known in names.items() if not wanted or known & set(wanted)]
