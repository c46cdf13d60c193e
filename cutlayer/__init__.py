"""Cutlayer: a discrete-event simulator of split learning over wireless networks.

``__init__.pyi`` lists the public names. Each is imported at its first use, so that ``import cutlayer`` and
``cutlayer --help`` load neither torch nor pandas.
"""

from pathlib import Path

import lazy_loader

if not (Path(__file__).parent / "sim").exists():
    # A checkout: sim/, models/ and the other sub-packages stand beside this folder, not inside it.
    __path__.append(str(Path(__file__).parent.parent))

_public_name, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    """Import a public name, or read the version of the installed distribution."""
    if name == "__version__":
        from importlib.metadata import version

        return version("cutlayer")
    return _public_name(name)
