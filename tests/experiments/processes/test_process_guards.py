"""Guards end as they began: objects are collected again, and signals reach their handlers."""

from __future__ import annotations

import gc
import signal

import pytest

from cutlayer.experiments.processes.process_guards import (
    catch_termination,
    count_interrupts,
    deferred_interrupt,
    frozen_gc,
    interruptible,
)


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


def test_a_termination_signal_interrupts_only_where_it_may() -> None:
    """SIGTERM waits for the end of a deferring block, or for a part of it that lets interrupts through."""
    steps = []
    with catch_termination() as stop:
        with pytest.raises(KeyboardInterrupt), deferred_interrupt():
            signal.raise_signal(signal.SIGTERM)
            steps.append("the block ends")
        with deferred_interrupt():
            with pytest.raises(KeyboardInterrupt), interruptible():
                with deferred_interrupt():
                    signal.raise_signal(signal.SIGTERM)
                    steps.append("the inner block ends")
                steps.append("never")
            signal.raise_signal(signal.SIGTERM)
            with pytest.raises(KeyboardInterrupt), interruptible():
                steps.append("never")
    assert ["the block ends", "the inner block ends"] == steps
    assert (signal.SIGTERM, 143) == (stop.number, stop.exit_status)
    assert signal.SIG_DFL is signal.getsignal(signal.SIGTERM)


def test_an_ignored_signal_stays_ignored() -> None:
    """Under nohup a closed terminal does not end a run."""
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with catch_termination(), deferred_interrupt():
            signal.raise_signal(signal.SIGHUP)
            assert signal.SIG_IGN is signal.getsignal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, previous)


def test_interrupts_are_counted_where_they_are_deferred() -> None:
    """Counted interrupts end no block; one that was deferred before raises at once."""
    with deferred_interrupt(), count_interrupts() as interrupts:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
    assert 2 == interrupts.count
    with pytest.raises(KeyboardInterrupt), deferred_interrupt():
        signal.raise_signal(signal.SIGINT)
        with count_interrupts():
            pytest.fail("the interrupt was lost")
