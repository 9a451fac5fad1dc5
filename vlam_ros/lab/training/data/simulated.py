"""Simulated scenes as a data set: their masks are exact, and they may hold extra objects."""

from __future__ import annotations

from collections.abc import Mapping

from tqdm import tqdm

from vlam_ros.lab.simulation.extra_objects import EXTRA_SHAPES, extra_scene_of_seed
from vlam_ros.lab.simulation.scene import ObjectSpec, scene_of_seed
from vlam_ros.lab.simulation.world import World
from vlam_ros.lab.training.data.files import encode_image
from vlam_ros.lab.training.data.index import Annotation
from vlam_ros.lab.training.data.segmentation import encode
from vlam_ros.lab.training.data.writer import DatasetWriter


def add_simulated(
    writer: DatasetWriter, counts: Mapping[str, int], extra: bool = False, progress: bool = True
) -> None:
    """Add images of the first scenes of some splits, with all that can be seen in them.

    No two splits share a scene, and the embedded model was trained on none that is not for
    training. With `extra` each scene holds one extra object, the kinds taking turns. It is called
    by its noun alone ("ring") as what has a new name is; others by noun ("box"), by colour ("red
    object") and by both.

    Raises:
        SimulationError: scenes cannot be rendered here.
        LearningError, ConfigurationError: as in `DatasetWriter.add`.
    """
    draw, kind = (extra_scene_of_seed, "extra") if extra else (scene_of_seed, "simulated")
    due = [(split, index) for split, count in counts.items() for index in range(count)]
    with World(extra=extra) as world:
        for split, index in tqdm(due, desc="render", disable=not progress):
            spec = draw(split, index)
            world.load(spec)
            rendering = world.render()
            annotations = [
                Annotation(name, encode(rendering.labels == number))
                for number, thing in enumerate(spec.objects, start=1)
                if (rendering.labels == number).any()
                for name in _names(thing)
            ]
            scene = f"{kind}-{split}-{index:06d}"
            writer.add(encode_image(rendering.image), scene, scene, annotations, split=split)


def _names(thing: ObjectSpec) -> tuple[str, ...]:
    if thing.shape in EXTRA_SHAPES:
        return (thing.shape,)
    return thing.shape, thing.phrase, f"{thing.colour} object"
