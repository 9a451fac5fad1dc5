"""Questions about generated images, answered by the decoder that writes actions: co-fine-tuning, by
which RT-2 keeps what it knows of language and images while it learns to act.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.random import Generator
from tqdm import tqdm

from vlam_ros.errors import LearningError
from vlam_ros.lab.generators import LabelledImage, generator_named
from vlam_ros.lab.generators.camera import photographed
from vlam_ros.lab.generators.vocabulary import vocabulary
from vlam_ros.lab.training.policy.asked import names_held_out
from vlam_ros.lab.training.policy.demonstration_policy import (
    ARRAYS,
    QUESTION,
    Demonstration,
    write_shard,
)
from vlam_ros.perception.clipseg import ClipsegGrounder
from vlam_ros.policies.transformer.inputs import OF_INSTRUCTION
from vlam_ros.policies.transformer.vocabulary import END

IMAGES = 250
"""Images of a shard."""
VISIBLE = 80
"""Pixels from which a thing is asked about."""
GRID = 254
"""A place in an image is told in this many parts of its width and of its height."""
CAPTIONED = 3
"""Things that a caption names."""

Said = tuple[str, str]
"""A colour and a noun."""


def questions_about(shown: LabelledImage, rng: Generator) -> Iterator[tuple[str, str]]:
    """Questions about an image with their answers: a colour, whether there is something, how many
    there are, where it is, and what there is; each only where the answer is beyond doubt.
    """
    things = {
        i: (thing.colour, thing.noun)
        for i, thing in enumerate(shown.things)
        if np.count_nonzero(shown.labels == i + 1) >= VISIBLE
    }
    hidden = any((shown.labels == i + 1).any() for i in range(len(shown.things)) if i not in things)
    words = vocabulary()
    known = set(words.colours), set(words.nouns)
    if hidden or not things or not all(c in known[0] and n in known[1] for c, n in things.values()):
        return
    places = {i: _middle(shown.labels == i + 1) for i in things}
    nouns = Counter(noun for _, noun in things.values())
    pairs = Counter(things.values())
    for i, (colour, noun) in things.items():
        if nouns[noun] == 1:
            yield f"what colour is the {noun}", colour
        elif nouns[noun] == 2:
            other = next(j for j, (_, n) in things.items() if n == noun and j != i)
            if abs(places[i][0] - places[other][0]) > GRID // 20:
                side = "left" if places[i][0] < places[other][0] else "right"
                yield f"what colour is the {side} {noun}", colour
        if pairs[(colour, noun)] == 1:
            x, y = places[i]
            yield f"where is the {colour} {noun}", f"{x} {y}"
    said = list(pairs)
    colour, noun = said[int(rng.integers(len(said)))]
    yield f"is there a {colour} {noun}", "yes"
    for absent in _absent(said, nouns, rng):
        yield f"is there a {' '.join(absent).strip()}", "no"
    plural = f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s"
    yield f"how many {plural} are there", str(nouns[noun])
    if len(things) <= CAPTIONED:
        by_place = sorted(things, key=lambda i: places[i][0])
        yield "what is there", " , ".join(" ".join(things[i]) for i in by_place)


def _absent(said: list[Said], nouns: Counter[str], rng: Generator) -> Iterator[Said]:
    """A pair like one that is there, and a noun, of which nothing is."""
    words = vocabulary()
    colour, noun = said[int(rng.integers(len(said)))]
    others = [(c, noun) for c in words.colours] + [(colour, n) for n in words.nouns]
    unsure = {n for own in nouns for n in (own, *words.undecided.get(own, ()))}
    free = [p for p in others if p not in said and (p[1] == noun or p[1] not in unsure)]
    yield free[int(rng.integers(len(free)))]
    nowhere = [n for n in words.nouns if n not in unsure]
    yield "", nowhere[int(rng.integers(len(nowhere)))]


def _middle(mask: np.ndarray) -> tuple[int, int]:
    rows, columns = np.nonzero(mask)
    height, width = mask.shape
    return round(GRID * float(columns.mean()) / width), round(GRID * float(rows.mean()) / height)


def ask_about(
    folder: Path, generators: dict[str, int], split: str, grounder: ClipsegGrounder, each: int = 4
) -> None:
    """Draw images and ask some questions about each, in shards; finished ones stay.

    Args:
        folder: of the shards.
        generators: how many images of each.
        split: "train" or "validation".
        grounder: sees the images as the policy does.
        each: questions about an image.

    Raises:
        LearningError: no image is asked for.
    """
    if not any(generators.values()):
        raise LearningError("there is nothing to ask about: ask for one image or more")
    folder.mkdir(parents=True, exist_ok=True)
    for name, count in generators.items():
        with generator_named(name) as generator:
            for start in tqdm(range(0, count, IMAGES), f"questions about {name}", unit="shard"):
                numbers = range(start, min(start + IMAGES, count))
                path = folder / f"{name}-{split}-{numbers.start:06d}-{numbers.stop:06d}.npz"
                if path.exists():
                    continue
                rows: list[Demonstration] = []
                arrays: dict[str, list[np.ndarray]] = {array: [] for array in ARRAYS}
                for number in numbers:
                    rng = np.random.default_rng([number, 9])
                    shown = photographed(generator.draw(split, number), rng)
                    asked = [
                        each
                        for each in questions_about(shown, rng)
                        if not any(map(names_held_out, each))
                    ]
                    rng.shuffle(asked)
                    patches = grounder.encode_image(shown.image).activations[-1][0].half().cpu()
                    for question, answer in asked[:each]:
                        rows.append(
                            Demonstration(
                                {OF_INSTRUCTION: question}, f"{answer} {END}", (), QUESTION, number
                            )
                        )
                        arrays["patches"].append(patches.numpy())
                write_shard(path, rows, arrays)
