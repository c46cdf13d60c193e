"""Faults: effects on devices, on their links, and on the server. Read ``effects`` first.

A fault is one module of this folder and one registration in ``catalogue``. It returns its effects on each
device: a capacity trace slows a processor down, a presence trace removes a client from the run, an outage
interrupts the links, and messages may be lost. The world combines the effects of all faults.
"""
