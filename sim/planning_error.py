"""The error that planning raises where the resources do not allow what a scenario asks for."""

from __future__ import annotations

from ..scenarios.errors import KeyPath, KeyPathError

__all__ = ["PlanningError"]


class PlanningError(KeyPathError):
    """Raised when resources cannot be allocated as the scenario asks.

    Parameters
    ----------
    message : str
        The rule that is broken, and the numbers that break it.
    key : KeyPath
        Key path of the setting in the scenario that asks for the allocation.
    """

    def __init__(self, message: str, key: KeyPath = ("allocation",)) -> None:
        super().__init__(message, key)
