"""The order of events that happen at one instant, and actions at exact instants."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from simpy import Environment, Event
from simpy.events import NORMAL

__all__ = ["EventOrder", "cancel", "ended_or_failed", "schedule_after", "schedule_at"]


class EventOrder(IntEnum):
    """The priorities of events at one instant: SimPy processes lower numbers first.

    Computations and transfers end first. The shared medium assigns its band again only after that, because
    every transfer that begins or ends at the instant must be part of one new grant. Then devices go offline,
    and deadlines come last: a client that finishes at the very instant of its deadline is on time, also if
    its transfer ends because of a new grant. SimPy itself reserves 0 for interrupts and for the start of
    processes.
    """

    NORMAL = NORMAL
    SHARED_MEDIUM = 2
    OFFLINE = 3
    DEADLINE = 4


def schedule_after(
    env: Environment, delay_s: float, action: Callable[[], None], order: EventOrder = EventOrder.NORMAL
) -> Event:
    """Schedule an action after a delay, and return its event, which :func:`cancel` accepts.

    The clock then reads ``env.now + delay_s``, rounded as the event loop rounds that sum.
    """
    event = env.event()
    event._ok, event._value = True, None  # a triggered event, as SimPy's own Timeout marks itself
    event.callbacks = [lambda _: action()]
    env.schedule(event, priority=order, delay=delay_s)  # type: ignore[arg-type]
    return event


def schedule_at(
    env: Environment, time_s: float, action: Callable[[], None], order: EventOrder = EventOrder.NORMAL
) -> None:
    """Schedule an action at exactly this instant.

    The event loop accepts only delays, and the sum of clock and delay may be rounded to another instant. In
    that case the action is scheduled in two steps: from half-way on, the difference has no rounding error.
    """
    now_s = env.now
    delay_s = time_s - now_s
    if now_s + delay_s == time_s:
        schedule_after(env, delay_s, action, order)
    else:
        schedule_after(env, 0.5 * delay_s, lambda: schedule_at(env, time_s, action, order))


def cancel(event: Event | None) -> None:
    """Cancel a scheduled action that has not happened; nothing happens for None or for a past event."""
    if event is not None and event.callbacks is not None:
        event.callbacks.clear()


def ended_or_failed(event: Event) -> Event:
    """Return an event that happens when another one happens, also if that one fails.

    An event that cannot fail any more, as a time-out, is returned itself.
    """
    if event.callbacks is None or event.triggered:
        return event if event.ok else event.env.timeout(0)
    either = event.env.event()

    def succeed(_: Event) -> None:
        either.succeed()

    event.callbacks.append(succeed)
    return either
