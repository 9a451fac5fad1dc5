"""Plays a bag to the nodes, without a controller: `ros2 launch vlam_ros replay.launch.py bag:=…`.

Takes the arguments of `robot.launch.py`, which say what the topics of the bag are called. Only the
nodes' inputs are played, so what the bag holds of their outputs does not mix with the new ones.
Playing starts when vlam_node has its models, and the launch ends with the bag.
"""

import re
from pathlib import Path

from launch import Event, EventHandler, LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
)
from launch.events.process import ProcessIO
from launch.substitutions import LaunchConfiguration

from vlam_ros.interface import INPUTS, topic_argument
from vlam_ros.ros.launching import BOOLEAN, included


def generate_launch_description() -> LaunchDescription:
    """The nodes of a robot that does not move, and a bag in place of its sensors."""
    arguments = [
        DeclareLaunchArgument("bag", description="the bag, a folder or a file"),
        DeclareLaunchArgument("rate", default_value="1.0", description="times as fast as it was"),
        DeclareLaunchArgument(
            "loop",
            default_value="false",
            description="whether it starts again at its end",
            choices=BOOLEAN,
        ),
    ]
    nodes = included("robot.launch.py", use_sim_time="true", controller="false")
    player = RegisterEventHandler(
        EventHandler(
            matcher=vlam_node_is_active,
            entities=[OpaqueFunction(function=play)],
            handle_once=True,
        )
    )
    return LaunchDescription([*arguments, player, nodes])


def vlam_node_is_active(event: Event) -> bool:
    """Whether the event is that vlam_node says so in its log."""
    return (
        isinstance(event, ProcessIO)
        and event.process_name.startswith("vlam_node")
        and re.search(rb"(?<!not )\bactive\b", event.text) is not None
    )


def play(context: LaunchContext) -> list[ExecuteProcess]:
    """What plays the bag: its transforms, and the inputs by the names that the nodes know."""

    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    topics = [absolute(value(topic_argument(topic)), value("namespace")) for topic in INPUTS]
    # The stamps of a simulation that was recorded by the clock on the wall are of its own clock.
    recorded = clock_recorded(Path(value("bag")))
    command = ["ros2", "bag", "play", value("bag"), *([] if recorded else ["--clock"])]
    command += ["--rate", value("rate")]
    command += ["--loop"] if value("loop") == "true" else []
    command += ["--topics", *(["/clock"] if recorded else []), "/tf", "/tf_static", *topics]
    return [ExecuteProcess(cmd=command, output="screen", on_exit=Shutdown(reason="bag ended"))]


def clock_recorded(bag: Path) -> bool:
    """Whether a bag holds /clock itself, as its metadata.yaml says."""
    file = (bag if bag.is_dir() else bag.parent) / "metadata.yaml"
    if not file.is_file():
        return False
    text = file.read_text(encoding="utf-8", errors="replace")
    return re.search(r"""^\s*name:\s*["']?/clock["']?\s*$""", text, re.MULTILINE) is not None


def absolute(topic: str, namespace: str) -> str:
    """The full name of a topic in a namespace: "/robot1/image"."""
    return topic if topic.startswith("/") else "/" + f"{namespace}/{topic}".strip("/")
