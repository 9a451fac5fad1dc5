"""Stamps: messages of builtin_interfaces from integer nanoseconds."""

from builtin_interfaces.msg import Duration, Time


def time_message(stamp: int) -> Time:
    """Nanoseconds as a stamp."""
    seconds, rest = divmod(stamp, 10**9)
    return Time(sec=seconds, nanosec=rest)


def duration_message(length: int) -> Duration:
    """Nanoseconds as a duration."""
    seconds, rest = divmod(length, 10**9)
    return Duration(sec=seconds, nanosec=rest)
