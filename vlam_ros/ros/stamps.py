"""Stamps: integer nanoseconds from and to the messages of builtin_interfaces."""

from builtin_interfaces.msg import Duration, Time

_SECOND = 10**9


def nanoseconds(message: Time | Duration) -> int:
    """A stamp or duration in nanoseconds."""
    return int(message.sec) * _SECOND + int(message.nanosec)


def time_message(stamp: int) -> Time:
    """Nanoseconds as a stamp."""
    seconds, rest = divmod(stamp, _SECOND)
    return Time(sec=seconds, nanosec=rest)


def age_text(age: int) -> str:
    """For people: how old something is, in nanoseconds."""
    if age < 0:
        return f"{-age / _SECOND:.2f} s ahead of the clock"
    return f"{age / _SECOND:.2f} s old"


def duration_message(length: int) -> Duration:
    """Nanoseconds as a duration."""
    seconds, rest = divmod(length, _SECOND)
    return Duration(sec=seconds, nanosec=rest)
