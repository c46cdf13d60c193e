"""Gains, rates, and the conversions between decibels and linear units."""
