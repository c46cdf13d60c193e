"""The Python interface. ``cutlayer/__init__.pyi`` lists its names."""
