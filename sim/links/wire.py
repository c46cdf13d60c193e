"""A wired link between the access point and compute nodes."""

from __future__ import annotations

from simpy import Environment, Timeout

from ..nodes.node import Node
from ..timeline.interval_record import IntervalRecord
from ..timeline.lanes import Lane
from ..timeline.phases import Phase

__all__ = ["Wire"]


class Wire(Node):
    """One direction of a wire, which sends one message after the other.

    A message arrives a constant delay after its last bit was sent.

    Parameters
    ----------
    rate_bps : float
        The rate, [bit/s].
    delay_s : float
        The propagation delay, [s].
    """

    def __init__(
        self, env: Environment, record: IntervalRecord, index: int, *, rate_bps: float, delay_s: float
    ) -> None:
        super().__init__(env, record, index, clock_hz=1.0, cycles_per_flop=0.0, switched_capacitance=0.0)
        self._lane = self.lanes["wire"] = Lane()
        self._rate_bps = rate_bps
        self._delay_s = delay_s

    def transmit(self, phase: Phase, bits: float, client: int) -> Timeout:
        """Return the event at which a message arrives; it waits for the wire's earlier messages."""
        sent = self.occupy(self._lane, phase, bits / self._rate_bps, bits, 0.0, 0.0, client)
        if not self._delay_s:
            return sent
        return Timeout(self.env, max(0.0, self._lane.free_at_s - self.env._now) + self._delay_s)
