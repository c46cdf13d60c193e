"""Channel power gains, the rates that they allow, and conversions between decibels and linear units.

Read `rates.py` first: it holds the band and the rate formulas that all planning uses.
"""
