"""What a model is asked about the images of any generator, and the truth of each answer.

A phrase is asked for where every visible thing either is what it says or is not; what is absent is
false of all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from vlam_ros.configuration import PerceptionSettings
from vlam_ros.lab.evaluation.queries import Query, QueryKind, Question
from vlam_ros.lab.generators import NONE, UNDECIDED, ImageGenerator, LabelledImage, Thing
from vlam_ros.lab.generators.camera import photographed
from vlam_ros.lab.generators.vocabulary import vocabulary
from vlam_ros.lab.simulation.scene import HELD_OUT_PAIRS
from vlam_ros.types import Camera, Observation, optical_rotation

SEED = 41
"""With the number of an image, that of what is asked about it."""
IMAGES_OF_NOUNS = 40
"""Images of a generator that tell which nouns compete on it."""

Said = tuple[str, str]
"""A colour and a noun; NONE is not said."""


def questions_of(
    generator: ImageGenerator,
    split: str,
    count: int,
    perception: PerceptionSettings,
    start: int = 0,
    photograph: bool = False,
) -> Iterator[Question]:
    """The first `count` images of a split, from number `start` on, asked for all that is there, for
    three absent things, and for a noun and a colour that are absent.

    Absent are the nouns and colours of the settings, which are those that compete. Images are as
    they are drawn, or as a camera may take them.
    """
    for index in range(start, count):
        drawn = generator.draw(split, index)
        if photograph:
            drawn = photographed(drawn, np.random.default_rng([SEED, index, 1]))
        height, width = drawn.labels.shape
        # Where things are in the room is not asked: any camera will do.
        camera = Camera.ideal(width, height, width, optical_rotation(0.0), np.zeros(3))
        observation = Observation(stamp=index, now=index, image=drawn.image, camera=camera)
        visible = [t for i, t in enumerate(drawn.things) if (drawn.labels == i + 1).any()]
        queries = list(_present(drawn, visible))
        if visible:
            rng = np.random.default_rng([SEED, index])
            nowhere = np.zeros(drawn.labels.shape, bool)
            for kind, said in _absent(visible, perception, rng):
                queries.append(Query(_phrase(said), kind, nowhere))
        yield Question(observation, tuple(queries), perception.nouns)


def nouns_of(
    generator: ImageGenerator, split: str, perception: PerceptionSettings
) -> PerceptionSettings:
    """The settings with the nouns, in alphabetical order, of what a generator's split shows: of all
    things in its first IMAGES_OF_NOUNS images.
    """
    drawn = (generator.draw(split, index) for index in range(IMAGES_OF_NOUNS))
    nouns = {thing.noun for image in drawn for thing in image.things}
    return replace(perception, nouns=tuple(sorted(nouns - {NONE, UNDECIDED})))


def _present(drawn: LabelledImage, visible: Sequence[Thing]) -> Iterator[Query]:
    named = [thing for thing in visible if _is_word(thing.noun)]
    pairs = ((thing.colour if _is_word(thing.colour) else NONE, thing.noun) for thing in named)
    for said in dict.fromkeys(pairs):
        if _truth(visible, said).all():
            true = np.flatnonzero(_truth(drawn.things, said) == 1)
            yield Query(_phrase(said), QueryKind.PRESENT, np.isin(drawn.labels, 1 + true))


def _absent(
    visible: Sequence[Thing], perception: PerceptionSettings, rng: np.random.Generator
) -> Iterator[tuple[QueryKind, Said]]:
    colours, nouns = perception.colours, perception.nouns
    like = visible[int(rng.integers(len(visible)))]
    pools: list[tuple[QueryKind, list[Said]]] = [
        (QueryKind.SAME_COLOUR, [(like.colour, n) for n in nouns if _is_word(like.colour)]),
        (QueryKind.SAME_SHAPE, [(c, like.noun) for c in colours if _is_word(like.noun)]),
        (QueryKind.OTHER, [(c, n) for c in colours for n in nouns]),
        (QueryKind.ABSENT_GENERAL, [(NONE, n) for n in nouns]),
        (QueryKind.ABSENT_GENERAL, [(c, NONE) for c in colours]),
    ]
    for kind, pool in pools:
        # Pairs never trained are a test of their own.
        fair = [said for said in pool if said not in HELD_OUT_PAIRS]
        if free := [said for said in fair if (_truth(visible, said) == -1).all()]:
            yield kind, free[int(rng.integers(len(free)))]


def _truth(things: Sequence[Thing], said: Said) -> npt.NDArray[np.int8]:
    """int8[N]: whether each thing is what is said (1), is not (-1), or nobody can tell (0)."""
    words = vocabulary()
    indices = np.array([words.indices(thing) for thing in things]).reshape(-1, 2)
    truth = np.ones(len(things), np.int8)
    tables = (words.colour_truth, words.colour_names), (words.noun_truth, words.nouns)
    for word, column, (table, names) in zip(said, indices.T, tables, strict=True):
        if word != NONE:
            truth = np.minimum(truth, table[column, names.index(word)])
    return truth


def _phrase(said: Said) -> str:
    colour, noun = said
    return f"{colour} {noun or 'object'}".strip()


def _is_word(word: str) -> bool:
    return word not in (NONE, UNDECIDED)
