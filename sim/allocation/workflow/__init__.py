"""Assigns owners to helpers over one hop, orders the helpers' tasks, and bounds the makespan.

Read `problem.py` first, then `schedule.py`: they define the problem and the schedules to optimise.
"""
