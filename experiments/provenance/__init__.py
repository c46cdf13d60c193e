"""The origin of a run, as its folder records it: versions, the machine, and the files of the scenario.

Read :mod:`.versions` first.
"""
