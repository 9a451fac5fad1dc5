"""What people should know of a run: each remark once, in order, with how often it came."""

from __future__ import annotations

from collections import Counter


class Notes:
    """Collects remarks."""

    def __init__(self) -> None:
        self._text: dict[str, str] = {}
        self._count: Counter[str] = Counter()

    def add(self, text: str, once: str = "") -> None:
        """Say something; what has the same key `once` (by default the text) is only counted."""
        self._text.setdefault(once or text, text)
        self._count[once or text] += 1

    @property
    def lines(self) -> tuple[str, ...]:
        """What was said."""
        return tuple(
            text if self._count[key] == 1 else f"{text} ({self._count[key]} times)"
            for key, text in self._text.items()
        )
