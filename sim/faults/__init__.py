"""Faults: effects on the speed of devices, and on whether they are in the run. Read ``effects`` first.

A fault is one module of this folder and one registration in ``catalogue``. It returns its effects on each
device: a capacity trace slows a processor down, a presence trace removes a client from the run. The world
combines the effects of all faults.

Packet loss would be a third effect: the number of times that a transfer is sent, which depends on the
signal-to-noise ratio. No fault uses it yet, so there is no protocol for it. It belongs in
:class:`~cutlayer.sim.faults.effects.Fault`, beside the other two effects; the world would pass it on to the
links (``cutlayer.sim.links.transmitters`` and ``cutlayer.sim.links.shared_medium``), which know the bits.
"""
