"""Parameter files as people write them: what ROS would take is read as ROS reads it, the rest is
refused with what to write.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vlam_ros.configuration import (
    ControllerSettings,
    FusionNodeSettings,
    Settings,
    check_parameter_file,
    markdown,
)
from vlam_ros.errors import ConfigurationError
from vlam_ros.resources import read_parameters, resource_path
from vlam_ros.settings import NodeSettings, parameters

ROOT = Path(__file__).parents[1]
GOOD = "/**: {ros__parameters: {camera: {height: 0.3}}}\n"


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "robot.yaml"
    file.write_text(text)
    return file


@pytest.mark.parametrize("name", ["vlam.yaml", "jetson.yaml"])
@pytest.mark.parametrize("namespace", ["", "robot1", "/fleet/robot1/"])
def test_the_files_of_the_package_are_right_in_every_namespace(name: str, namespace: str) -> None:
    check_parameter_file(resource_path(f"config/{name}"), namespace)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/**: {ros__parameters: {camra: {height: 0.3}}}", "did you mean camera.height?"),
        ("/**: {ros__parameters: {Camera: {height: 0.3}}}", "did you mean camera.height?"),
        ("/**: {ros__parameters: {camera.heigth: 0.3}}", "did you mean camera.height?"),
        ("/**: {ros__parameters: {height: 0.3}}", "did you mean camera.height?"),
        ("/**: {ros__parameters: {camera: 0.3}}", "/** has no parameter camera"),
        ("/**: {ros__parameters: {camera: }}", "/** has no parameter camera"),
        ("/**: {ros__parameters: {fleet_size: 3}}", "/** has no parameter fleet_size"),
        ("/**/vlam_node: {ros__parameters: {lidar: {x: 0.3}}}", "another node has: write it under"),
        ("/**: {ros__parameters: {camera: {height: 1}}}", "write 1.0, not 1"),
        ("/**/vlam_node: {ros__parameters: {action: {low: [-3, -3, -1, -3]}}}", "write -3.0"),
        ("/**/vlam_node: {ros__parameters: {model: {device: gpu}}}", "one of auto, cpu, cuda"),
        ("/**/fusion_node: {ros__parameters: {imu: {frame_id: 7}}}", "must be str, got 7"),
        ("/**/vlam_nod: {ros__parameters: {}}", "did you mean vlam_node?"),
        (GOOD + "control_node: {ros__parameters: {}}", "did you mean controller_node?"),
        (GOOD + "/**/controler_node: {ros__parameters: {}}", "did you mean controller_node?"),
        (GOOD + GOOD, "/** stands there twice"),
        ("/**: {ros__parameters: {camera: {x: 0.1}, camera: {y: 0.1}}}", "camera stands there"),
        (GOOD + "VlamNode: {ros__parameters: {}}", "did you mean vlam_node?"),
        (GOOD + "vlam-node: {ros__parameters: {}}", "did you mean vlam_node?"),
        (GOOD + "fusion: {ros__parameters: {}}", "did you mean fusion_node?"),
        (GOOD + "robot: {ros__parameters: {control.max_speed: 0.1}}", "there is no node robot"),
        (
            "/**/vlam_node: {ros_parameters: {model: {device: cpu}}}",
            "did you mean ros__parameters?",
        ),
        ("/**/vlam_node: {model: {device: cpu}}", "not below an entry"),
        ("camera: {height: 0.3}", "not below an entry"),
        ("ros__parameters: {camera: {height: 0.3}}", "must be a mapping of a node"),
        ("/**: {ros__parameters: [1, 2]}", "must be a mapping of a node"),
        ("amcl: {ros__parameters: {alpha1: 0.1}}", "has no entry /**/"),
        ("/**: {ros__parameters: {camera: {height: 0.3}", "cannot read"),
        ("", "not below an entry"),
    ],
)
def test_what_would_start_a_robot_on_defaults_is_refused(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        check_parameter_file(written(tmp_path, text))


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"/nope\.yaml: .*No such file"):
        check_parameter_file("/nope.yaml")


@pytest.mark.parametrize(
    "text",
    [
        GOOD + "amcl: {ros__parameters: {alpha1: 0.1}}",
        GOOD + "controller_server: {ros__parameters: {controller_frequency: 20.0}}",
        GOOD + "controller_manager: {ros__parameters: {update_rate: 100}}",
        "/**/vlam_node:\n  ros__parameters:\n",
        "/**: {ros__parameters: {use_sim_time: true, lidar: {x: 0.2}}}",
        "/vlam_node: {ros__parameters: {start_type_description_service: true, qos_overrides: "
        "{/tf: {subscription: {depth: 3}}}}}",
    ],
)
def test_what_other_nodes_and_ros_have_may_stand_in_the_file(tmp_path: Path, text: str) -> None:
    check_parameter_file(written(tmp_path, text))


@pytest.mark.parametrize(
    ("entry", "namespace", "counts"),
    [
        ("/**", "robot1", True),
        ("/**/vlam_node", "", True),
        ("/**/vlam_node", "fleet/robot1", True),
        ("/*/vlam_node", "robot1", True),
        ("/robot1/**", "robot1", True),
        ("vlam_node", "", True),
        ("/vlam_node", "/", True),
        ("robot1/vlam_node", "/robot1/", True),
        ("vlam_node", "robot1", False),
        ("/*/vlam_node", "", False),
        ("/robot2/vlam_node", "robot1", False),
    ],
)
def test_an_entry_counts_in_its_namespace_and_is_refused_where_it_would_not_count(
    tmp_path: Path, entry: str, namespace: str, counts: bool
) -> None:
    file = written(tmp_path, f"{entry}: {{ros__parameters: {{camera: {{height: 0.3}}}}}}")
    if counts:
        check_parameter_file(file, namespace)
        assert Settings.over_defaults(file, namespace).camera.height == 0.3
    else:
        with pytest.raises(ConfigurationError, match=r"write /\*\*/vlam_node"):
            check_parameter_file(file, namespace)


def test_a_node_of_another_name_needs_an_entry_of_that_name(tmp_path: Path) -> None:
    text = "/**/{}: {{ros__parameters: {{camera: {{height: 0.3}}}}}}"
    with pytest.raises(ConfigurationError, match=r"called brain here: write /\*\*/brain"):
        Settings.read(written(tmp_path, text.format("vlam_node")), node="brain")
    values = Settings.read(written(tmp_path, text.format("brain")), node="brain")
    assert values == {"camera.height": 0.3}
    assert Settings.read(written(tmp_path, GOOD), node="brain") == {"camera.height": 0.3}


def test_one_file_may_hold_several_robots(tmp_path: Path) -> None:
    text = "\n".join(
        f"robot{i}: {{vlam_node: {{ros__parameters: {{camera.height: 0.{i}}}}}}}" for i in (1, 2)
    )
    file = written(tmp_path, text)
    for i in (1, 2):
        check_parameter_file(file, f"robot{i}")
        assert Settings.over_defaults(file, f"robot{i}").camera.height == i / 10


def test_of_entries_that_count_the_later_wins_one_parameter_at_a_time(tmp_path: Path) -> None:
    own = "/**/fusion_node: {ros__parameters: {camera: {height: 0.4, tilt: 0.1}}}\n"
    shared = "/**: {ros__parameters: {camera: {height: 0.3, yaw: 0.2}}}\n"
    for text, height in ((own + shared, 0.3), (shared + own, 0.4)):
        camera = FusionNodeSettings.over_defaults(written(tmp_path, text)).camera
        assert (camera.height, camera.tilt, camera.yaw) == (height, 0.1, 0.2)


def test_numbers_are_those_that_ros_reads(tmp_path: Path) -> None:
    file = written(tmp_path, "/**: {ros__parameters: {safety: {radius: 3e-1, margin: 1E-1}}}")
    safety = ControllerSettings.over_defaults(file).safety
    assert (safety.radius, safety.margin) == (0.3, 0.1)


@pytest.mark.parametrize("kind", NodeSettings.__subclasses__())
def test_the_default_file_has_every_parameter_and_no_other(kind: type[NodeSettings]) -> None:
    defaults = read_parameters(resource_path("config/vlam.yaml"), kind.NODE)
    assert {name for name, _ in parameters(kind)} <= set(defaults)
    assert kind.read(resource_path("config/vlam.yaml")).keys() == {n for n, _ in parameters(kind)}


def test_the_page_of_the_parameters_is_that_of_the_settings() -> None:
    page = (ROOT / "docs" / "parameters.md").read_text(encoding="utf-8")
    assert page == markdown(), "python -m vlam_ros.configuration > docs/parameters.md"
    for kind in NodeSettings.__subclasses__():
        for name, field in parameters(kind):
            (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
            assert field.metadata["description"].split(";")[0] in row
