"""The skill of the README, from its entry over `vlam train skill` to a chunk of a running node."""

import re
from pathlib import Path

import pytest

from vlam_ros.cli.main import main
from vlam_ros.lab.live.client import VlamClient
from vlam_ros.lab.live.node_process import START_PATIENCE, node_process
from vlam_ros.lab.live.simulated_robot import camera_parameters
from vlam_ros.lab.simulation.rooms import DEMO_SCENE
from vlam_ros.lab.simulation.world import World
from vlam_ros.resources import resource_path
from vlam_ros.types import Outcome, PoseFrame

README = Path(__file__).parents[1] / "README.md"
MODEL = "embedded-1"
"""It has few phrases, so that 60 steps are enough to hold them in their place."""
TRAINING = f"--model {MODEL} --method lora --steps 60 --device cpu --threads 1"


def readme_entry() -> str:
    (entry,) = re.findall(r"```yaml\n(  - name: follow\n.*?)```", README.read_text(), re.DOTALL)
    return str(entry)


@pytest.mark.usefixtures("one_thread")
def test_a_skill_of_one_entry_is_learned_and_published(tmp_path: Path) -> None:
    skills, tuned = tmp_path / "skills.yaml", tmp_path / "tuned"
    skills.write_text(resource_path("config/skills.yaml").read_text() + "\n" + readme_entry())
    assert main(["train", "skill", str(skills), "--out", str(tuned), *TRAINING.split()]) == 0

    parameters = {
        **camera_parameters(DEMO_SCENE.camera),
        "model.name_or_path": MODEL,
        "model.adapter": str(tuned),
        "policy.skills": str(skills),
    }
    with World() as world:
        world.load(DEMO_SCENE)
        image, camera = world.render().image, world.camera
    log = tmp_path / "vlam_node.log"
    with node_process("vlam_node", parameters, log) as node, VlamClient() as client:
        client.wait_for_node(START_PATIENCE, lambda _: node.check())
        chunk = client.ask(
            image, camera, "follow the orange ball", watch=lambda _: node.check()
        ).chunk
    assert (chunk.verdict.outcome, chunk.skill) == (Outcome.EXECUTE, "follow")
    # A way of the base, as that of the skill whose motion it has.
    (command,) = {chunk.space.commands[row[0]] for row in chunk.tokens}
    assert (command.name, command.pose_of, command.timed) == ("follow", PoseFrame.BASE, False)
