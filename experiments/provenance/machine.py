"""The machine that computed a result: processor, vector instructions, threads and operating system.

The last bits of trained weights depend on it. Timelines do not. It is not part of any fingerprint, and a
sweep or a checkpoint may continue on another machine.
"""

from __future__ import annotations

import functools
import platform
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from ...scenarios.schema.scenario import Learning

__all__ = ["machine"]


def machine(learning: Learning | None) -> dict[str, Any]:
    """Return the properties of this machine on which the last bits of a result may depend.

    Parameters
    ----------
    learning : Learning or None
        The scenario's section; None for a timeline alone, which does not import torch.

    Returns
    -------
    dict
        ``processor``, the model's name; ``instructions``, the vector instructions that torch uses, or those
        that NumPy uses if nothing was trained; ``threads`` of torch, or None; ``accelerator``, the name of
        the CUDA device, or None; ``system``, the operating system with its version and its C library.
    """
    properties = {"processor": _processor(), "instructions": _numpy_instructions()}
    threads = accelerator = None
    if learning is not None:
        import torch

        from ...models.learning.factory import training_device

        properties["instructions"] = torch.backends.cpu.get_cpu_capability()
        threads = learning.threads
        if training_device(learning.device).type == "cuda":
            accelerator = torch.cuda.get_device_name()
    return {**properties, "threads": threads, "accelerator": accelerator, "system": platform.platform()}


@functools.cache
def _processor() -> str:
    """Return the model's name of the processor, or the name of its architecture if the model is unknown."""
    name = ""
    if platform.system() == "Darwin":
        name = _output(["sysctl", "-n", "machdep.cpu.brand_string"])
    else:
        try:
            lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:  # not a Linux system
            lines = []
        name = next((line.partition(":")[2] for line in lines if line.startswith("model name")), "")
    return " ".join(name.split()) or platform.processor() or platform.machine()


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


@functools.cache
def _numpy_instructions() -> str:
    """Return the vector instructions that NumPy was built for and those that it has detected, as one text."""
    extensions: Any = np.show_config(mode="dicts")
    found = (extensions or {}).get("SIMD Extensions", {})
    return " ".join([*found.get("baseline", ()), *found.get("found", ())])
