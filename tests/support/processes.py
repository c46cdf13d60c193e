"""Processes of the command line and of scripts, as users start them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

__all__ = ["COMMAND", "INTERRUPTIBLE", "messages", "python"]

_PROGRESS = re.compile(r"(checking|running): \d+ of \d+ points|.+: round \d+( of \d+)?, ")

COMMAND = [sys.executable, "-c", "from cutlayer.cli.main import main; main()"]
"""The console command ``cutlayer``; arguments follow."""

INTERRUPTIBLE = [
    sys.executable,
    "-c",
    f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler); {COMMAND[2]}",
]
"""The same; a process may be started with interrupts ignored, a terminal's is not."""


def python(script: str, folder: Path) -> str:
    """Return what a script prints, run in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def messages(errors: str) -> str:
    """Return the text on standard error without lines of progress, which a slow machine lets appear."""
    return "".join(line for line in errors.splitlines(keepends=True) if not _PROGRESS.match(line))
