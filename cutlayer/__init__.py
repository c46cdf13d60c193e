"""Cutlayer: a discrete-event simulator of split learning over wireless networks.

The public names are listed in ``__init__.pyi`` and imported at their first use, so that
``import cutlayer`` and ``cutlayer --help`` load neither torch nor pandas.
"""

from pathlib import Path

import lazy_loader

if not (Path(__file__).parent / "sim").exists():
    # A checkout: sim/, models/ and the other sub-packages stand beside this folder, not inside it.
    __path__.append(str(Path(__file__).parent.parent))

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
