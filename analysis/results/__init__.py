"""The results of runs and sweeps: tables, and the folders that hold them. Read ``run_folder.py`` first."""
