"""`vlam ask`: one decision on an image of one's own, without ROS running."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from vlam_ros.cli.arguments import Subparsers, command_parser, field_of_view
from vlam_ros.errors import ImageError

if TYPE_CHECKING:
    from vlam_ros.configuration import CameraSettings, Settings
    from vlam_ros.types import Camera, Uint8Array

SAMPLE = Path(__file__).parents[1] / "data" / "sample.jpg"
"""What the simulated robot's camera sees in its room, mounted as in the defaults."""
SAMPLE_INSTRUCTION, SAMPLE_HFOV, USUAL_HFOV = "go to the orange ball", 69.5, 60.0  # degrees


def add_parser(commands: Subparsers) -> None:
    """Add `vlam ask`."""
    parser = command_parser(
        commands,
        "ask",
        "decide on one image and one instruction",
        'vlam ask kitchen.jpg "go to the red cup" --height 1.2 --tilt 0.3 --out overlay.png',
        "Decide what the robot would do about an instruction if its camera saw this image; without "
        "both, on an image of the simulation. A HOLD is an answer too: the exit code is 0.",
    )
    parser.add_argument("image", nargs="?", type=Path, metavar="IMAGE", help="JPEG, PNG, …")
    text = "what to do, in quotes"
    parser.add_argument("instruction", nargs="?", metavar="INSTRUCTION", help=text)
    parser.add_argument("--model", metavar="NAME", help="'embedded', a folder or a hub id")
    parser.add_argument("--params", type=Path, metavar="FILE", help="ROS parameter file")
    parser.add_argument("--height", type=float, metavar="M", help="of the camera above the floor")
    parser.add_argument("--tilt", type=float, metavar="RAD", help="of the camera, downwards")
    parser.add_argument(
        "--hfov",
        type=field_of_view,
        metavar="DEG",
        help=f"horizontal field of view of the camera ({USUAL_HFOV:g})",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the overlay, a PNG")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the action chunk")
    parser.set_defaults(run=run, refuse=parser.error)


def run(options: argparse.Namespace) -> int:
    """Show the decision, and write what is asked for."""
    from rich.console import Console

    if options.image is not None and options.instruction is None:
        options.refuse(f"give both image and instruction, or none; got {str(options.image)!r}")
    instruction = options.instruction or SAMPLE_INSTRUCTION
    hfov = options.hfov or (USUAL_HFOV if options.image else SAMPLE_HFOV)
    settings, image = ask_settings(options), read_image(options.image or SAMPLE)
    console = Console(highlight=False, markup=False)
    with console.status("importing the models' libraries") as status:
        from vlam_ros.cli.show import show_decision, write_chunk, write_image
        from vlam_ros.pipeline import Pipeline
        from vlam_ros.types import (
            GripperState,
            InstructionRequest,
            JointState,
            Observation,
            Odometry,
        )
        from vlam_ros.visualization import draw_overlay

        status.update("loading the model")
        pipeline = Pipeline.from_settings(settings)
        status.update("looking")
        camera = assumed_camera(image, hfov, settings.camera)
        # A robot that could do it: it stands, its arm is there, and its gripper is empty.
        observation = Observation(
            stamp=0,
            now=0,
            image=image,
            camera=camera,
            odometry=Odometry(stamp=0, x=0.0, y=0.0, yaw=0.0),
            gripper=GripperState(0, holding=False),
            joints=JointState(0, (), ()),
        )
        decision = pipeline.step(observation, InstructionRequest(instruction))
    mount = settings.camera
    if not options.image:
        console.print(f"image    {SAMPLE}\nsaid     {instruction}", style="dim")
    console.print(
        f"camera   {hfov:g}° wide, {mount.height:g} m high, tilted {mount.tilt:g} rad down",
        style="dim",
    )
    show_decision(console, decision.chunk, decision.plan)
    if options.out:
        write_image(options.out, draw_overlay(image, decision, instruction))
        console.print(f"wrote    {options.out}", style="dim")
    if options.json:
        write_chunk(options.json, decision.chunk)
        console.print(f"wrote    {options.json}", style="dim")
    return 0


def ask_settings(options: argparse.Namespace) -> Settings:
    """The package's defaults, changed by the parameter file as a node would read it, and that by
    the options.
    """
    from vlam_ros.configuration import Settings

    given = {
        "model__name_or_path": options.model,
        "camera__height": options.height,
        "camera__tilt": options.tilt,
    }
    return Settings.over_defaults(
        options.params, **{name: value for name, value in given.items() if value is not None}
    )


def read_image(path: Path) -> Uint8Array:
    """The image in a file as uint8[H,W,3] RGB, turned as its camera was held.

    Raises:
        ImageError: there is no such file, or it is no image.
    """
    import cv2
    import numpy as np

    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror}") from error
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if image is None:
        raise ImageError(f"{path} is no image that OpenCV can read: give a JPEG or PNG file")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def assumed_camera(image: Uint8Array, hfov: float, settings: CameraSettings) -> Camera:
    """An ideal camera with square pixels, `hfov` degrees wide, mounted as the settings say."""
    import numpy as np

    from vlam_ros.types import Camera, optical_rotation

    height, width = image.shape[:2]
    focal = width / 2 / math.tan(math.radians(hfov) / 2)
    rotation = optical_rotation(settings.tilt, settings.yaw)
    position = np.array([settings.x, settings.y, settings.height])
    return Camera.ideal(width, height, focal, rotation, position)
