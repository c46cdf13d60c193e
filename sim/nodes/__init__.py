"""Nodes that compute: devices, the server and compute nodes, with the physics of their activities.

Read ``node`` first; ``capacity`` holds the formulas of an activity's end and of its truncation.
"""
