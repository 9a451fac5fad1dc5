"""The rooms that the simulated robot drives in: seven shapes in eight colours on a floor."""

from __future__ import annotations

from vlam_ros.lab.generators.generator import UNDECIDED, LabelledImage, Thing
from vlam_ros.lab.simulation.scene import scene_of_seed
from vlam_ros.lab.simulation.world import World


class Rooms(World):
    """Its splits are those of `simulation.scene.SPLIT_SEEDS`."""

    def draw(self, split: str, index: int) -> LabelledImage:
        spec = scene_of_seed(split, index)
        self.load(spec)
        rendering = self.render()
        things = [Thing(o.shape, o.colour or UNDECIDED) for o in spec.objects]
        return LabelledImage(rendering.image, rendering.labels, tuple(things))
