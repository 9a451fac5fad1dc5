"""Stamps and durations of messages, and integer nanoseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from builtin_interfaces.msg import Duration, Time

_SECOND = 10**9


def nanoseconds(message: Time) -> int:
    """A stamp or duration in nanoseconds."""
    return int(message.sec) * _SECOND + int(message.nanosec)


def time_message(stamp: int) -> Time:
    """Nanoseconds as a stamp."""
    from builtin_interfaces.msg import Time

    seconds, rest = divmod(stamp, 10**9)
    return Time(sec=seconds, nanosec=rest)


def duration_message(length: int) -> Duration:
    """Nanoseconds as a duration."""
    from builtin_interfaces.msg import Duration

    seconds, rest = divmod(length, 10**9)
    return Duration(sec=seconds, nanosec=rest)
