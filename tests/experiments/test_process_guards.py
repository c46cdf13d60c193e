"""Objects that were excluded from garbage collection are included again."""

from __future__ import annotations

import gc

import pytest

from cutlayer.experiments.process_guards import frozen_gc


def test_objects_are_frozen_in_the_block_only() -> None:
    """Objects are unfrozen even if the block fails; objects that were frozen before stay frozen."""
    assert 0 == gc.get_freeze_count()
    with pytest.raises(KeyError), frozen_gc():
        assert gc.get_freeze_count() > 0
        raise KeyError
    assert 0 == gc.get_freeze_count()
    gc.freeze()
    try:
        with frozen_gc():
            pass
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
