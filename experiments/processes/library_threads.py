"""The threads of numerical libraries: one for each process, so that results do not depend on the process.

The number of torch's threads is a key of the scenario, ``learning.threads``, and is set with the data.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["limit_library_threads", "one_library_thread"]

_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def limit_library_threads() -> list[str]:
    """Limit libraries that are not imported yet to one thread, and return the variables that were set.

    Variables that the user has set keep their values.
    """
    added = [name for name in _VARIABLES if name not in os.environ]
    os.environ.update(dict.fromkeys(added, "1"))
    return added


@contextmanager
def one_library_thread() -> Iterator[None]:
    """Limit the libraries of processes that start meanwhile to one thread."""
    added = limit_library_threads()
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
