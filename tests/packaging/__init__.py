"""Tests of the package as pip builds and installs it."""
