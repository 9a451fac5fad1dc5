"""The clock of a replay: what the robot's clock said when a message of the bag came in.

A bag says when its recorder got each message. Where that was another clock than the one that
stamped the data (a simulation recorded without its /clock), the newest stamp is the time.
"""

from __future__ import annotations

OTHER_CLOCK = 5_000_000_000
"""ns between a message's stamp and when it was received from which these are two clocks."""
JUMP = 1_000_000_000
"""ns that time must go back to have jumped: messages come a little out of order."""


class BagClock:
    """Goes by receive times or by stamps, whichever the first stamped message tells."""

    def __init__(self) -> None:
        self._by_stamps: bool | None = None
        self._now: int | None = None

    @property
    def by_stamps(self) -> bool:
        """Whether stamps are the time, because the recorder's clock was another one."""
        return bool(self._by_stamps)

    def tick(self, received: int, stamp: int | None) -> tuple[int | None, bool]:
        """A message was received at a time of the recorder's clock (ns), stamped so if at all.

        Returns:
            The time now, None while it is not known; and whether it jumped back.
        """
        if self._by_stamps is None and stamp is not None:
            self._by_stamps = abs(received - stamp) > OTHER_CLOCK
        if self._by_stamps is None:
            return None, False
        time = stamp if self._by_stamps else received
        if time is None:
            return self._now, False
        if self._now is not None and time < self._now - JUMP:
            self._now = time
            return time, True
        self._now = time if self._now is None else max(self._now, time)
        return self._now, False
