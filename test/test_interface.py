"""The table of topics agrees with what is named elsewhere: converters, observations, parameters,
launch arguments and the README.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from vlam_ros.configuration import FusionNodeSettings, SensorSettings, Settings
from vlam_ros.interface import (
    ANY,
    CONTROLLER,
    FUSION,
    INPUTS,
    OUTPUTS,
    RECORDED,
    ROBOT,
    SIMULATOR,
    TABLE,
    VLAM,
    Topic,
    markdown,
    subscribed_by,
    topic_argument,
)
from vlam_ros.ros.converters import converter
from vlam_ros.types import Observation

ROOT = Path(__file__).parents[1]
CONVERTED = [topic for topic in TABLE if topic.converter]
ENDS = {ROBOT, VLAM, FUSION, CONTROLLER, SIMULATOR, ANY}


def test_the_readme_shows_the_table() -> None:
    assert markdown() in (ROOT / "README.md").read_text(encoding="utf-8"), (
        "put what `python -m vlam_ros.interface` prints into README.md"
    )


def test_the_guide_to_launch_files_lists_the_arguments() -> None:
    text = (ROOT / "docs" / "launch.md").read_text(encoding="utf-8")
    assert [t for t in (*INPUTS, *OUTPUTS) if f"`{topic_argument(t)}`" not in text] == []


def test_no_topic_is_listed_twice() -> None:
    assert len({topic.path for topic in TABLE}) == len(TABLE)
    assert len({topic.role for topic in TABLE}) == len(TABLE)


@pytest.mark.parametrize("topic", TABLE, ids=lambda topic: topic.name)
def test_a_row_is_whole(topic: Topic) -> None:
    assert {topic.publisher, *topic.subscribers} <= ENDS
    assert topic.publisher not in topic.subscribers
    assert topic.type.split("/")[1] == "msg"
    assert topic.about


@pytest.mark.parametrize("topic", CONVERTED, ids=lambda topic: topic.name)
def test_a_converter_is_there(topic: Topic) -> None:
    assert callable(converter(topic))


def test_every_field_of_an_observation_has_its_topic() -> None:
    own = {"stamp", "now"}
    known = {f.name for f in fields(Observation)} - own
    assert {topic.field for topic in subscribed_by(VLAM)} - {""} == known
    assert {topic.field for topic in subscribed_by(FUSION)} - {""} <= known


def test_where_a_sensor_sits_and_how_old_its_data_may_be_are_parameters() -> None:
    groups = {f.name for node in (Settings, FusionNodeSettings) for f in fields(node)}
    sensors = {topic.sensor for topic in TABLE if topic.sensor}
    assert {s.mount for s in sensors} - {""} <= groups
    assert {s.max_age for s in sensors} - {""} <= {f.name for f in fields(SensorSettings)}


def test_what_is_only_drawn_while_somebody_looks_is_not_recorded() -> None:
    assert {name for name in RECORDED if "/" in name} == {
        "image/compressed", "camera_depth/compressedDepth", "/tf", "/tf_static", "/diagnostics",
        "simulator_node/truth",
    }  # fmt: skip
