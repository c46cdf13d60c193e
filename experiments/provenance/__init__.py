"""What a run folder records of its origin: software versions, the machine, and the files of the scenario.

Read :mod:`.versions` first.
"""
