"""Which of a scenario's compression applies to each scheme, and what it then counts."""

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

__all__ = ["Compressors", "check_prunable"]


class Compressors:
    """Makes the compressors of a scenario's schemes; what a part comes to is worked out once for all of them.

    Parameters
    ----------
    scenario : with the model
    units : its unit table
    """

    def __init__(self, scenario: Scenario, units: UnitTable) -> None:
        self._scenario = scenario
        self._units = units
        self._sizes = lru_cache(maxsize=None)(self._sizes_of)

    def of(self, parameters: SchemeParameters, scheme: type[Scheme]) -> CompressedSizes | None:
        """Return a scheme's compressor; None where nothing is compressed.

        Raises
        ------
        AllocationError
            If a compression of the scheme's own has nothing that applies to it, or the model has no filters.
        """
        own = parameters.compression
        given = own if own is not None else self._scenario.compression
        section = given.only(scheme.compresses) if given is not None else None
        if section is None:
            if own is not None and own != Compression():
                applies = ", ".join(sorted(scheme.compresses)) or "nothing"
                raise PlanningError(
                    f"{parameters.label}: nothing of its compression applies; of {parameters.name} can be"
                    f" compressed: {applies}",
                    ("schemes",),
                )
            return None
        if section.pruning is not None and not isinstance(self._scenario.model, ImageModelParameters):
            raise PlanningError(
                f"{parameters.label}: pruning needs the model's layers; {self._scenario.model.name} has none",
                pruning_key(parameters),
            )
        return CompressedSizes(section, self._sizes(section.pruning, section.quantises("models")))

    def _sizes_of(self, pruning: Pruning | None, models: bool) -> Callable[[int, bool], PartSizes]:
        if isinstance(self._scenario.model, ImageModelParameters) and (pruning is not None or models):
            from ..models.compression.part_sizes import part_sizes  # torch only where layers count

            return lru_cache(maxsize=None)(part_sizes(self._scenario.model, self._units, pruning))
        return self._whole

    def _whole(self, count: int, pruned: bool) -> PartSizes:
        """Return the sizes of a part that is never pruned; all of its bits count as parameters."""
        units = self._units
        return PartSizes(
            units.forward_flops_to(count),
            units.backward_flops_to(count),
            units.activation_bits_at(count),
            units.gradient_bits_at(count),
            units.parameter_bits_to(count),
        )


def check_prunable(scheme: Scheme, plan: SchemePlan) -> None:
    """Refuse a planned cut whose client part is to be pruned and has nothing to prune.

    Raises
    ------
    AllocationError
        With the reason.
    """
    task, compressor = scheme.task, scheme.task.compression
    if compressor is None or compressor.section.pruning is None:
        return
    cut = plan.cuts.common  # masks are common, and so is the cut
    if compressor.part(cut or len(task.units), True).maskable:
        return
    kind = compressor.section.pruning.kind
    wanted = "filters that no shortcut and no unknown module needs" if kind == "structured" else "weights"
    where = f"at cut {cut} units 1 to {cut} have" if cut else "the model has"
    raise PlanningError(
        f"{scheme.parameters.label}: nothing to prune: {where} no {wanted}", pruning_key(scheme.parameters)
    )


def pruning_key(parameters: SchemeParameters) -> KeyPath:
    """Return where a scheme's pruning is asked for."""
    return ("schemes",) if parameters.compression is not None else ("compression", "pruning")
