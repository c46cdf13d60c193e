"""Calls of torch's optimisers that do without the import of torch's compiler.

The first optimiser of a process, and its first step, import ``torch._dynamo``. That takes more than a second,
in every worker process, although nothing here is compiled. Both are calls of plain functions behind wrappers
for the compiler, so the results are the same to the bit.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch

__all__ = ["new_optimizer", "step"]


def new_optimizer(
    kind: type[torch.optim.Optimizer], groups: list[dict[str, Any]], **options: Any
) -> torch.optim.Optimizer:
    """Return a new optimiser of this class for groups of parameters."""
    add = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    if getattr(add, "__dynamo_disable", None) is None:
        # the wrapper keeps the function that it calls in this attribute, and imports the compiler to make it
        setattr(add, "__dynamo_disable", add)
    return kind(groups, **options)


def step(optimizer: torch.optim.Optimizer) -> None:
    """Update the optimiser's parameters."""
    if optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks:
        optimizer.step()  # one of the wrappers calls the hooks
        return
    with torch.no_grad():
        inspect.unwrap(type(optimizer).step)(optimizer)
