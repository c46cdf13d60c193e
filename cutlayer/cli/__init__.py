"""The command line, with one module for each command. Read ``main`` first: it assembles the commands."""
