"""What is kept out of the search for garbage comes back into it."""

from __future__ import annotations

import gc

import pytest

from cutlayer.experiments.process_guards import frozen_gc


def test_objects_come_back_however_the_block_ends() -> None:
    """Objects are frozen in the block alone, also if it fails; what somebody else froze stays so."""
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
