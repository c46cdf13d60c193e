"""The error raised when resources cannot be allocated as the scenario asks."""

from __future__ import annotations

from ..scenarios.errors import KeyPath, KeyPathError

__all__ = ["PlanningError"]


class PlanningError(KeyPathError):
    """Resources that can't be allocated as asked; the message names the rule and the numbers.

    Parameters
    ----------
    message : the rule and the numbers
    key : key path of the scenario that asks for it
    """

    def __init__(self, message: str, key: KeyPath = ("allocation",)) -> None:
        super().__init__(message, key)
