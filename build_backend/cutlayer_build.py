"""Builds the package with setuptools, and adds the list of packages and the package's description.

``setup.cfg`` maps ``cutlayer.sim`` to the folder ``sim`` and so on, and setuptools can't find packages under
such a mapping. This module searches every folder of the mapping, so a new folder needs no line there.
The description is the README without its relative links, because they lead to files of the repository.
"""

from __future__ import annotations

import configparser
import functools
import re
import shutil
from pathlib import Path
from typing import Any

import setuptools
from setuptools import build_meta

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

ROOT = Path(__file__).parent.parent

Settings = dict[str, Any] | None


def packages() -> list[str]:
    """Return the name of every package in the folders that setup.cfg maps."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = config["options"]["package_dir"].strip().splitlines()
    names = []
    for line in lines:
        package, folder = (part.strip() for part in line.split("="))
        names.append(package)
        names += [f"{package}.{inner}" for inner in setuptools.find_packages(str(ROOT / folder))]
    return names


def description() -> str:
    """Return the README without its relative links and its figures."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = re.sub(r"!\[[^\]]*\]\((?!https?:)[^)]*\)\n*", "", text)
    return re.sub(r"\[([^\]]*)\]\((?!https?:)[^)]*\)", r"\1", text)


# build_meta runs a default setup script, which calls setuptools.setup. Values in setup.cfg would replace
# these arguments, so setup.cfg has none of the three.
setuptools.setup = functools.partial(
    setuptools.setup,
    packages=packages(),
    long_description=description(),
    long_description_content_type="text/markdown",
)

build_sdist = build_meta.build_sdist
get_requires_for_build_editable = build_meta.get_requires_for_build_editable
get_requires_for_build_sdist = build_meta.get_requires_for_build_sdist
get_requires_for_build_wheel = build_meta.get_requires_for_build_wheel
prepare_metadata_for_build_wheel = build_meta.prepare_metadata_for_build_wheel


def build_wheel(folder: str, settings: Settings = None, metadata_folder: str | None = None) -> str:
    """Build a wheel.

    The folder ``build/lib`` of an earlier build is removed first. Otherwise setuptools would pack its modules
    again, although some may be deleted by now.
    """
    shutil.rmtree(ROOT / "build" / "lib", ignore_errors=True)
    return build_meta.build_wheel(folder, settings, metadata_folder)


def build_editable(folder: str, settings: Settings = None, metadata_folder: str | None = None) -> str:
    """Build an editable wheel of links, which type checkers and editors can follow.

    By default setuptools would install an import hook, and type checkers run no hooks.
    """
    return build_meta.build_editable(folder, _strict(settings), metadata_folder)


def prepare_metadata_for_build_editable(folder: str, settings: Settings = None) -> str:
    """Prepare the metadata of an editable wheel."""
    return build_meta.prepare_metadata_for_build_editable(folder, _strict(settings))


def _strict(settings: Settings) -> dict[str, Any]:
    return {"editable_mode": "strict", **(settings or {})}
