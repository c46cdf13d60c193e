"""The results of finished runs: tables, comparisons and figures. Read ``results/run_folder.py`` first."""
