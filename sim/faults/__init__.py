"""Faults: effects on devices, on their links, and on the server. Read ``effects`` first.

A fault is one module of this folder and one registration in ``catalogue``. It returns its effects on each
device and on the server. A capacity trace slows a processor down, and compute noise lengthens computations.
An availability trace takes a client offline for a time, and a departure removes it from the run. An
outage interrupts its links, and messages may be lost. The world combines the effects of all faults.
"""
