"""Experiments: the preparation of a scenario, the runs of its schemes, checkpoints and sweeps.

Read ``runner.py`` first. From the command ``cutlayer run`` to the first event, a run passes these modules:

1. ``cutlayer/cli/run.py`` reads the options.
2. ``scenarios/loading/loader.py`` loads and checks the scenario.
3. ``experiments/runner.py`` locks the run folder, and calls the next steps.
4. ``experiments/preparation.py`` draws devices and channel, loads the data, and plans each scheme. It calls
   ``deployment.py`` and, for scenarios with compression, ``compression.py``.
5. ``experiments/execution/scheme_run.py`` creates a scheme's world, planner and learner, and runs its rounds.
6. ``sim/schemes/round_loop.py`` starts each round as a SimPy process.
7. ``sim/schemes/NAME.py`` is the scheme, whose ``round`` yields the first event.

Afterwards ``round_log.py`` and ``result_tables.py`` turn rounds into tables. ``checkpoints.py`` takes part
only if checkpoints are requested.
"""
