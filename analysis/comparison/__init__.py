"""The comparison of schemes over runs, as tables and as text. Read ``table.py`` first."""
