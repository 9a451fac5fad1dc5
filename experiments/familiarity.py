"""How well a checkpoint's Familiarity tells what it was calibrated on from photographs, and whether
it can be calibrated on another renderer's images.

    python experiments/familiarity.py                      # the photographs of scikit-image
    python experiments/familiarity.py --photographs FOLDER
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from vlam_ros.lab.simulation.engine import mujoco
from vlam_ros.lab.simulation.scene import COLOURS, scene_of_seed
from vlam_ros.lab.simulation.world import World
from vlam_ros.perception.clipseg import ClipsegGrounder
from vlam_ros.perception.familiarity import Density
from vlam_ros.perception.perceiver import Float32Array
from vlam_ros.types import Uint8Array

PHOTOGRAPHS = ("astronaut", "coffee", "cat", "motorcycle_left", "rocket", "coins")
"""Of scikit-image, which ships them."""
SHAPES = ("box", "sphere", "cylinder", "capsule")


def photographs(folder: Path | None = None) -> dict[str, Uint8Array]:
    """The images of a folder, or those of PHOTOGRAPHS, uint8[H,W,3] RGB."""
    if folder is None:
        import skimage

        folder, names = Path(skimage.__file__).parent / "data", [*PHOTOGRAPHS, "chelsea"]
        paths = [p for p in sorted(folder.iterdir()) if p.stem in names]
    else:
        paths = sorted(folder.iterdir())
    read = {path.stem: cv2.imread(str(path), cv2.IMREAD_COLOR) for path in paths}
    return {
        name: np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
        for name, image in read.items()
        if image is not None
    }


def scenes(split: str, count: int) -> Iterator[Uint8Array]:
    """Images of the package's own simulation."""
    with World() as world:
        for index in range(count):
            world.load(scene_of_seed(split, index))
            yield world.render().image


def other_scenes(first: int, count: int) -> Iterator[Uint8Array]:
    """Images of another generator: its own lights, floors, materials, sizes and camera."""
    for seed in range(first, first + count):
        rng = np.random.default_rng(seed)
        model = mujoco.MjModel.from_xml_string(_xml(rng))
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        with mujoco.Renderer(model, 480, 640) as renderer:
            renderer.update_scene(data, "camera")
            yield np.array(renderer.render(), np.uint8)


def _xml(rng: np.random.Generator) -> str:
    lights = "".join(
        f'<light pos="{_said(rng.uniform((-2, -3, 1.5), (4, 3, 4)))}" '
        f'dir="{_said(rng.uniform((-0.5, -0.5, -1), (0.5, 0.5, -1)))}" '
        f'diffuse="{_said(np.full(3, rng.uniform(0.3, 0.9)))}" '
        f'castshadow="{str(rng.random() < 0.6).lower()}"/>'
        for _ in range(rng.integers(1, 3))
    )
    colours = list(COLOURS.values())
    things = ""
    for _ in range(rng.integers(2, 6)):
        size, x = rng.uniform(0.04, 0.14), rng.uniform(0.8, 2.6)
        colour = np.clip(colours[rng.integers(len(colours))] + rng.normal(0, 0.03, 3), 0, 1)
        things += (
            f'<geom type="{rng.choice(SHAPES)}" size="{_said(size * rng.uniform(0.6, 1.2, 3))}" '
            f'pos="{x} {rng.uniform(-0.45, 0.45) * x} {size}" '
            f'euler="0 0 {rng.uniform(0, 180)}" rgba="{_said(colour)} 1"/>'
        )
    tilt = rng.uniform(0.3, 0.6)
    return f"""
    <mujoco>
      <visual>
        <global offwidth="640" offheight="480"/>
        <headlight ambient="{_said(rng.uniform(0.1, 0.4, 3))}" diffuse="0.3 0.3 0.3"/>
      </visual>
      <asset>
        <texture name="sky" type="skybox" builtin="gradient" width="64" height="64"
          rgb1="{_said(rng.uniform(0.3, 1, 3))}" rgb2="{_said(rng.uniform(0, 0.6, 3))}"/>
        <texture name="floor" type="2d" builtin="{rng.choice(["checker", "gradient", "flat"])}"
          rgb1="{_said(rng.uniform(0.1, 0.9, 3))}" rgb2="{_said(rng.uniform(0.1, 0.9, 3))}"
          width="300" height="300"/>
        <material name="floor" texture="floor" texrepeat="{_said(rng.uniform(1, 12, 2))}"
          reflectance="{rng.uniform(0, 0.25)}"/>
      </asset>
      <worldbody>
        {lights}
        <geom type="plane" size="8 8 0.1" material="floor"/>
        {things}
        <camera name="camera" pos="0.1 0 {rng.uniform(0.5, 1)}" fovy="{rng.uniform(45, 62)}"
          xyaxes="0 -1 0 {np.sin(tilt)} 0 {np.cos(tilt)}"/>
      </worldbody>
    </mujoco>"""


def _said(numbers: Iterable[float]) -> str:
    return " ".join(f"{number:.4f}" for number in numbers)


def statistics(grounder: ClipsegGrounder, images: Iterable[Uint8Array]) -> Float32Array:
    """What a Density knows images by, float32[N,S]."""
    return np.concatenate([grounder.statistics(grounder.encode_image(image)) for image in images])


def auroc(own: Float32Array, other: Float32Array) -> float:
    """The share of pairs in which the other image is the farther one."""
    return float(np.mean(np.subtract.outer(other, own) > 0))


def main() -> None:
    """Print the figures of a checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--photographs", type=Path)
    parser.add_argument("--scenes", type=int, default=300)
    options = parser.parse_args()
    grounder = ClipsegGrounder.from_pretrained(options.model)
    if grounder.calibration is None or grounder.calibration.familiarity is None:
        parser.error(f"{options.model} does not know what is familiar: calibrate it first")
    density = grounder.calibration.familiarity.image
    shown = photographs(options.photographs)
    far = statistics(grounder, shown.values())
    own = statistics(grounder, tqdm(scenes("test", options.scenes), "own", options.scenes))
    other = statistics(grounder, tqdm(other_scenes(0, 500), "another renderer", 500))
    again = Density.fit(other[:200, -len(density.mean) :])
    for name, distance in zip(shown, density.distances(far), strict=True):
        print(f"{name}: {distance:.2f} times the limit")
    for name, known, images in (("own scenes", density, own), ("another's", again, other[200:])):
        distances = known.distances(images)
        print(
            f"{name}: {np.mean(distances > 1):.4f} of {len(images)} refused, AUROC against "
            f"{len(shown)} photographs {auroc(distances, known.distances(far)):.4f}"
        )
    print(f"another's before it is calibrated: {np.mean(density.distances(other) > 1):.3f} refused")


if __name__ == "__main__":
    main()
