"""Faults: effects on devices, on their links, and on the server. Read ``effects`` first.

A fault is one module of this folder and one registration in ``catalogue``. It returns its effects on each
device and on the server: a capacity trace slows a processor down, compute noise lengthens computations, an
availability trace takes a client offline for a time, a presence trace removes it from the run, an outage
interrupts its links, and messages may be lost. The world combines the effects of all faults.
"""
