"""Collect the issues of a scenario, so that a user sees all of them at once."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType

from ..errors import KeyPath, KeyPathError, ScenarioError, ScenarioIssue
from .loader import LoadedScenario

__all__ = ["IssueCollector"]


class IssueCollector:
    """Collect the issues of one scenario while its parts are prepared.

    A ``ValueError`` inside the block below ends the block and becomes an issue of ``devices.positions``::

        issues = IssueCollector(loaded)
        with issues.at("devices", "positions"):
            fleet = draw_fleet(scenario.devices, scenario.seed)
        issues.raise_if_any()

    Parameters
    ----------
    loaded : LoadedScenario
        Names the file and the line of each key.
    one_per_key : bool
        Keep only the first issue of each key path.
    """

    def __init__(self, loaded: LoadedScenario, *, one_per_key: bool = False) -> None:
        self._loaded = loaded
        self._one_per_key = one_per_key
        self._issues: list[ScenarioIssue] = []

    @property
    def issues(self) -> tuple[ScenarioIssue, ...]:
        """Return the issues in the order in which they were added."""
        return tuple(self._issues)

    def __len__(self) -> int:
        return len(self._issues)

    def add(self, key: KeyPath, message: str) -> None:
        """Add an issue at a key path."""
        self.extend([ScenarioIssue(key, message)])

    def extend(self, issues: Iterable[ScenarioIssue]) -> None:
        """Add several issues, in their order."""
        for issue in issues:
            if not self._one_per_key or all(issue.path != other.path for other in self._issues):
                self._issues.append(issue)

    def at(
        self,
        *key: str | int,
        catch: type[Exception] | tuple[type[Exception], ...] = ValueError,
    ) -> _Catching:
        """Return a context in which an exception ends the block and becomes an issue at this key path.

        Parameters
        ----------
        catch : exception types
            All other exceptions pass through.
        """
        return _Catching(self, catch, key)

    def at_stated_key(self) -> _Catching:
        """Return a context in which a ``KeyPathError`` becomes an issue at the key path that it carries."""
        return _Catching(self, KeyPathError, None)

    def error(self) -> ScenarioError:
        """Return the error that names all issues by file and line."""
        return self._loaded.error(self._issues)

    def raise_if_any(self) -> None:
        """Raise a ``ScenarioError`` with all issues, if there is one."""
        if self._issues:
            raise self.error()


class _Catching:
    """A context that turns exceptions of certain types into issues and skips the rest of the block."""

    def __init__(
        self,
        issues: IssueCollector,
        catch: type[Exception] | tuple[type[Exception], ...],
        key: KeyPath | None,
    ) -> None:
        self._issues = issues
        self._catch = catch
        self._key = key

    def __enter__(self) -> None:
        return None

    # bool, not bool | None: type checkers then know that lines after the block can be reached
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, self._catch):
            return False
        if self._key is not None:
            self._issues.add(self._key, str(error))
        else:
            assert isinstance(error, KeyPathError)
            self._issues.add(error.key, str(error))
        return True
