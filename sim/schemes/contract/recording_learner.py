"""A learner that trains nothing, and records the steps that a scheme calls."""

from __future__ import annotations

from typing import Any

__all__ = ["RecordingLearner"]


class RecordingLearner:
    """A learner that accepts every step.

    Attributes
    ----------
    steps : list of str
        The names of all steps that were called.
    train_loss : float
        Always 0.
    """

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.train_loss = 0.0
        self._clients: set[int] = set()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        def step(*arguments: Any, **options: Any) -> None:
            self.steps.append(name)
            for argument in (*arguments, *options.values()):
                if isinstance(argument, list | tuple):  # steps take the clients that they train as a sequence
                    self._clients.update(argument)

        return step

    def set_bounds(self, bounds: Any) -> None:
        """Accept the cuts of the clients' models, which is no training step."""

    def evaluate(self, clients: tuple[int, ...] | None = None) -> Any:
        """Return an accuracy of 0; an evaluation is no step of the scheme."""
        return _NoAccuracy()

    def take_clients(self) -> frozenset[int]:
        """Return the clients that were trained or averaged since the last call."""
        clients, self._clients = frozenset(self._clients), set()
        return clients


class _NoAccuracy:
    per_client = (0.0,)
    validation = None
    averaged = mean = lowest = highest = 0.0
    diverged = False
