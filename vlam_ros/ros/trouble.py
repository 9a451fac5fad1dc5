"""The last thing that could not be used, as diagnostics tell of it."""

from __future__ import annotations

from dataclasses import dataclass

WINDOW = 10 * 10**9
"""ns for which diagnostics look back."""


@dataclass(frozen=True)
class Trouble:
    """What went wrong, at a time of the steady clock (ns)."""

    when: int
    why: str

    def is_recent(self, now: int) -> bool:
        """Whether it was within the window."""
        return now - self.when <= WINDOW

    def ago(self, now: int) -> str:
        """For people: "3 s ago: odom: must be finite"."""
        return f"{(now - self.when) / 1e9:.0f} s ago: {self.why.strip()}"
