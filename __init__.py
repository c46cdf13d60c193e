"""Cutlayer: a discrete-event simulator of split learning over wireless networks.

The public names are listed in ``__init__.pyi`` and imported at their first use, so that
``import cutlayer`` and ``cutlayer --help`` load neither torch nor pandas.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
