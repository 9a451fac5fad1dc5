"""What generated things are called, and which phrases are true, false or undecided of them.

`config/objects.yaml` lists nouns and colours; synonyms are one noun.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from vlam_ros.errors import ConfigurationError
from vlam_ros.lab.generators.generator import NONE, UNDECIDED, Thing
from vlam_ros.lab.simulation.scene import COLOURS, SHAPES, triple
from vlam_ros.resources import resource_path

NO_WORD, UNDECIDED_WORD, NO_THING = -1, -2, -3
"""In place of an index: NONE, UNDECIDED, and a row without a thing."""


@dataclass(frozen=True)
class Vocabulary:
    """Nouns with their `synonyms` (the noun itself first), and colours, each with its RGB in 0..1.

    The seven shapes and eight colours of the rooms come first, in their order. `undecided` names,
    for a noun, the others that one may also say of such a thing ("mug" of a cup): nobody is taught
    that they are false. It holds both ways.
    """

    synonyms: Mapping[str, tuple[str, ...]]
    colours: Mapping[str, tuple[float, float, float]]
    undecided: Mapping[str, frozenset[str]]

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Read a file; ConfigurationError says what is wrong with it."""
        try:
            read: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
            synonyms = {shape: (shape,) for shape in SHAPES}
            maybe: dict[str, set[str]] = {}
            for noun, said in read["nouns"].items():
                entry = said or {}
                if unknown := set(entry) - {"synonyms", "undecided"}:
                    raise KeyError(f"{noun} has no {min(unknown)}")
                synonyms[noun] = tuple(dict.fromkeys([noun, *entry.get("synonyms", ())]))
                for other in entry.get("undecided", ()):
                    maybe.setdefault(noun, set()).add(other)
                    maybe.setdefault(other, set()).add(noun)
            if strange := set(maybe) - set(synonyms):
                raise KeyError(f"no noun is called {min(strange)!r}")
            spoken = [name for names in synonyms.values() for name in names]
            if double := sorted({n for n in spoken if spoken.count(n) > 1}):
                raise ValueError(f"{double[0]!r} is said of two nouns")
            further = {name: triple(rgb) for name, rgb in read["colours"].items()}
        except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise ConfigurationError(f"{path} is no list of objects: {error}") from error
        return cls(
            synonyms,
            COLOURS | further,
            {noun: frozenset(others) for noun, others in maybe.items()},
        )

    @cached_property
    def nouns(self) -> tuple[str, ...]:
        return tuple(self.synonyms)

    @cached_property
    def colour_names(self) -> tuple[str, ...]:
        return tuple(self.colours)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All synonyms of all nouns."""
        return tuple(name for names in self.synonyms.values() for name in names)

    def indices(self, thing: Thing) -> tuple[int, int]:
        """(colour, noun) of a thing; ConfigurationError for a word that is not listed."""
        return _index(thing.colour, self.colour_names), _index(thing.noun, self.nouns)

    @cached_property
    def noun_truth(self) -> npt.NDArray[np.int8]:
        """int8[N+2,N]: whether noun j is true (1), undecided (0) or false (-1) of a thing of noun
        i; the last two rows are those of UNDECIDED_WORD and NO_WORD, which count from the end.
        """
        truth = _truth(len(self.nouns))
        for i, noun in enumerate(self.nouns):
            truth[i, [self.nouns.index(other) for other in self.undecided.get(noun, ())]] = 0
        return truth

    @cached_property
    def colour_truth(self) -> npt.NDArray[np.int8]:
        """The same of colours."""
        return _truth(len(self.colours))


def _truth(count: int) -> npt.NDArray[np.int8]:
    truth = np.full((count + 2, count), -1, np.int8)
    np.fill_diagonal(truth, 1)
    truth[UNDECIDED_WORD] = 0
    return truth


def _index(word: str, words: Sequence[str]) -> int:
    if word in (NONE, UNDECIDED):
        return NO_WORD if word == NONE else UNDECIDED_WORD
    if word not in words:
        raise ConfigurationError(f"{word!r} is no word of config/objects.yaml")
    return words.index(word)


@cache
def vocabulary() -> Vocabulary:
    """That of config/objects.yaml."""
    return Vocabulary.load(resource_path("config/objects.yaml"))
