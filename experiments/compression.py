"""The compression of each scheme: the methods that apply to it, and the sizes of its compressed parts."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from ..models.networks.parameters import ImageModelParameters
from ..scenarios.errors import KeyPath
from ..scenarios.model_costs.unit_table import UnitTable
from ..scenarios.schema.compression import Compression, PartSizes, Pruning
from ..scenarios.schema.registered import SchemeParameters
from ..scenarios.schema.scenario import Scenario
from ..sim.costs.compressed_sizes import CompressedSizes
from ..sim.planning_error import PlanningError
from ..sim.schemes.base import Scheme
from ..sim.schemes.planning.plan import SchemePlan

__all__ = ["CompressedSizesFactory", "check_prunable"]


class CompressedSizesFactory:
    """Creates the ``CompressedSizes`` of each scheme. Schemes share the sizes of equal parts.

    Parameters
    ----------
    scenario : Scenario
        The scenario.
    units : UnitTable
        The unit table of its model.
    """

    def __init__(self, scenario: Scenario, units: UnitTable) -> None:
        self._scenario = scenario
        self._units = units
        self._part_sizes = lru_cache(maxsize=None)(self._make_part_sizes)

    def create(self, parameters: SchemeParameters, scheme: type[Scheme]) -> CompressedSizes | None:
        """Return the compressed sizes of a scheme, or None if it compresses nothing.

        Raises
        ------
        PlanningError
            If no method of the scheme's own compression applies to it, or the model has no filters to prune.
        """
        specific = parameters.compression
        requested = specific if specific is not None else self._scenario.compression
        section = requested.only(scheme.compresses) if requested is not None else None
        if section is None:
            if specific is not None and specific != Compression():
                applies = ", ".join(sorted(scheme.compresses)) or "nothing"
                raise PlanningError(
                    f"{parameters.label}: none of its compression applies; {parameters.name} can"
                    f" compress: {applies}",
                    ("schemes",),
                )
            return None
        if section.pruning is not None and not isinstance(self._scenario.model, ImageModelParameters):
            raise PlanningError(
                f"{parameters.label}: pruning needs the model's layers; {self._scenario.model.name} has none",
                _pruning_key(parameters),
            )
        return CompressedSizes(section, self._part_sizes(section.pruning, section.quantises("models")))

    def _make_part_sizes(self, pruning: Pruning | None, models: bool) -> Callable[[int, bool], PartSizes]:
        """Return the function from the number of a part's units, and whether it is pruned, to its sizes.

        Parameters
        ----------
        pruning : Pruning or None
            The section on pruning.
        models : bool
            Whether models are quantised when they are sent.
        """
        if isinstance(self._scenario.model, ImageModelParameters) and (pruning is not None or models):
            from ..models.compression.part_sizes import part_sizes  # imports torch

            return lru_cache(maxsize=None)(part_sizes(self._scenario.model, self._units, pruning))
        return self._unpruned_part

    def _unpruned_part(self, count: int, pruned: bool) -> PartSizes:
        """Return the sizes of the first ``count`` units without pruning; all bits count as parameters."""
        units = self._units
        return PartSizes(
            units.forward_flops_to(count),
            units.backward_flops_to(count),
            units.activation_bits_at(count),
            units.gradient_bits_at(count),
            units.parameter_bits_to(count),
        )


def check_prunable(scheme: Scheme, plan: SchemePlan) -> None:
    """Refuse a planned cut if pruning is requested and the client part has nothing to prune.

    Raises
    ------
    PlanningError
        At the key path that requests pruning.
    """
    task, compression = scheme.task, scheme.task.compression
    if compression is None or compression.section.pruning is None:
        return
    cut = plan.cuts.common  # schemes with pruning have one common cut
    if compression.part(cut or len(task.units), True).maskable:
        return
    kind = compression.section.pruning.kind
    prunable = "filters that no shortcut and no unknown module needs" if kind == "structured" else "weights"
    where = f"at cut {cut} units 1 to {cut} have" if cut else "the model has"
    raise PlanningError(
        f"{scheme.parameters.label}: nothing to prune: {where} no {prunable}", _pruning_key(scheme.parameters)
    )


def _pruning_key(parameters: SchemeParameters) -> KeyPath:
    """Return the key path that requests a scheme's pruning."""
    return ("schemes",) if parameters.compression is not None else ("compression", "pruning")
