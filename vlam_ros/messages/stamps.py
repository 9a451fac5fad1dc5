"""Stamps of messages as integer nanoseconds."""

from vlam_ros.messages.kinds import Time

_SECOND = 10**9


def nanoseconds(message: Time) -> int:
    """A stamp or duration in nanoseconds."""
    return int(message.sec) * _SECOND + int(message.nanosec)


def age_text(age: int) -> str:
    """For people: how old something is, in nanoseconds."""
    if age < 0:
        return f"{-age / _SECOND:.2f} s ahead of the clock"
    return f"{age / _SECOND:.2f} s old"
