"""Image generators: renderers of labelled images, different on purpose, that the embedded model
learns from or is measured on.
"""

from __future__ import annotations

from importlib import import_module

from vlam_ros.errors import SimulationError
from vlam_ros.lab.generators.generator import (
    NONE,
    UNDECIDED,
    ImageGenerator,
    LabelledImage,
    Thing,
)

__all__ = [
    "GENERATORS",
    "NONE",
    "UNDECIDED",
    "UNSEEN",
    "ImageGenerator",
    "LabelledImage",
    "Thing",
    "generator_named",
]

GENERATORS = {
    "rooms": "Rooms",
    "procedural": "Procedural",
    "household": "Household",
    "unseen": "Unseen",
}
"""Class by the name of the generator, which is that of its module."""
UNSEEN = "unseen"
"""The generator that nothing is ever trained, chosen or calibrated on."""


def generator_named(name: str) -> ImageGenerator:
    """A generator by its name; SimulationError if there is none, or its assets are missing."""
    if name not in GENERATORS:
        raise SimulationError(f"a generator is one of {', '.join(GENERATORS)}, got {name!r}")
    module = import_module(f"{__name__}.{name}")
    made: ImageGenerator = getattr(module, GENERATORS[name])()
    return made
