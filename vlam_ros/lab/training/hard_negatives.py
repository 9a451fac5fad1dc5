"""Hard negatives: the phrases that a phrase competes with on the robot, new names included."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache, partial

from vlam_ros.configuration import PerceptionSettings
from vlam_ros.perception.competitors import PLACEHOLDERS, competitors, entry_in


class HardNegatives:
    """Which phrases cannot be true of a thing, by its names.

    `nouns` are the settings' own and what phrases bring along: "ring" of "red ring".
    """

    def __init__(self, settings: PerceptionSettings, phrases: Iterable[str] = ()) -> None:
        nouns = dict.fromkeys(settings.nouns)
        known = {*settings.colours, *PLACEHOLDERS}
        spoken = ([w for w in phrase.lower().split() if w not in known] for phrase in phrases)
        # The shorter first: of "mug" and "coffee mug" the first is the noun of both.
        for said in sorted(spoken, key=len):
            if said and not entry_in(" ".join(said), tuple(nouns)):
                nouns[" ".join(said)] = None
        self.nouns = tuple(nouns)
        self._settings = replace(settings, nouns=self.nouns)
        # The same few names come again and again.
        self.of = cache(partial(competitors, settings=self._settings))
        self.excludes = cache(self._excludes)

    def colour_of(self, names: Iterable[str]) -> str:
        colours = (entry_in(name, self._settings.colours) for name in names)
        return next(filter(None, colours), "")

    def absent(self, things: Iterable[tuple[str, ...]], others: Sequence[str]) -> list[str]:
        """Hard negatives of things, and those of `others`, that cannot be true of any of them."""
        things = list(things)
        names = dict.fromkeys(name for thing in things for name in thing)
        pool = dict.fromkeys((*(r for name in names for r in self.of(name)), *others))
        return self.false_of(things, pool)

    def false_of(self, things: Sequence[tuple[str, ...]], phrases: Iterable[str]) -> list[str]:
        return [p for p in phrases if all(self.excludes(thing, p) for thing in things)]

    def _excludes(self, names: tuple[str, ...], phrase: str) -> bool:
        """Whether it says another noun or colour than all names: of a "red cup" no "box"."""
        for entries in (self._settings.colours, self.nouns):
            said = entry_in(phrase, entries)
            own = {entry_in(name, entries) for name in names} - {""}
            if said and own and said not in own:
                return True
        return False
