"""Events of the gripper: each fires once, when it is current, and never late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vlam_ros.types import InstructionRequest


@dataclass(frozen=True)
class Event:
    """Closes or opens the gripper at a time from `due` to before `end`, ns."""

    due: int
    end: int
    close: bool

    def same(self, other: Event) -> bool:
        """Whether two chunks mean one event: each puts it into the row in whose time it falls."""
        return abs(self.due - other.due) < self.end - self.due


class Events:
    """The events of one instruction and skill that are still to come, and those that were."""

    def __init__(self) -> None:
        self._request: InstructionRequest | None = None
        self._skill = ""
        self._pending: list[Event] = []
        self._past: list[Event] = []

    def take(
        self, request: InstructionRequest, skill: str, events: Sequence[Event], first_due: int
    ) -> None:
        """The events of a newer chunk, whose first row is due at a time (ns).

        An event of an older chunk of the same instruction and skill remains if it comes before.
        """
        if (request, skill) != (self._request, self._skill):
            self._request, self._skill = request, skill
            self._past, self._pending = [], []
        kept = [e for e in self._pending if e.due < first_due and not any(map(e.same, events))]
        new = [e for e in events if not any(map(e.same, self._past))]
        self._pending = sorted([*kept, *new], key=lambda e: e.due)

    def drop(self) -> None:
        """Nothing of what was to come will come: what was asked for is done."""
        self._pending = []

    def drop_others(self, request: InstructionRequest) -> None:
        """Another instruction holds the robot: what was to come of the last will not."""
        if request != self._request:
            self._pending = []

    def fire(self, now: int) -> Event | None:
        """The event that is current, for the only time."""
        current = next((e for e in self._pending if e.due <= now < e.end), None)
        if current is not None:
            self._close(current)
        return current

    def missed(self, now: int) -> Event | None:
        """An event that has passed and never fired, told once."""
        late = next((e for e in self._pending if now >= e.end), None)
        if late is not None:
            self._close(late)
        return late

    def _close(self, event: Event) -> None:
        self._pending.remove(event)
        self._past.append(event)
