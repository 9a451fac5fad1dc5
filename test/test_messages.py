"""The messages say the same as `vlam_ros.types`, and say it for every field."""

import re
from dataclasses import fields
from enum import IntEnum
from pathlib import Path

import pytest

from vlam_ros import types

MESSAGES = sorted((Path(__file__).parents[1] / "msg").glob("*.msg"))
LINE = re.compile(r"(?P<type>\S+) +(?P<name>\w+) *(= *(?P<value>\d+) *)?(# *(?P<comment>.*))?")


def lines(message: str) -> list[re.Match[str]]:
    """The constants and fields of a message, in order."""
    path = next(path for path in MESSAGES if path.stem == message)
    text = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    matches = [LINE.fullmatch(line) for line in text if not line.startswith("#")]
    return [match for match in matches if match is not None]


def constants(message: str) -> dict[str, int]:
    return {m["name"]: int(m["value"]) for m in lines(message) if m["value"]}


def numbers(enum: type[IntEnum]) -> dict[str, int]:
    return {member.name: member.value for member in enum}


def test_verdict_constants_of_action_chunk_equal_the_enums() -> None:
    assert constants("ActionChunk") == numbers(types.Outcome) | numbers(types.Reason)


def test_position_sources_of_scene_object_equal_the_enum() -> None:
    roles = {"OTHER", "TARGET", "DESTINATION"}
    sources = {k: v for k, v in constants("SceneObject").items() if k not in roles}
    assert sources == numbers(types.PositionSource)


def test_constants_of_action_command_equal_the_enums() -> None:
    assert constants("ActionCommand") == numbers(types.PoseFrame) | numbers(types.GripperEffect)


@pytest.mark.parametrize(
    ("message", "kind"),
    [("ActionCommand", types.ActionCommand), ("ActionDimension", types.ActionDimension)],
)
def test_descriptors_have_the_fields_of_their_types(message: str, kind: type) -> None:
    named = [m["name"] for m in lines(message) if not m["value"]]
    assert named == [field.name for field in fields(kind)]


@pytest.mark.parametrize("message", [path.stem for path in MESSAGES])
def test_every_constant_and_field_has_a_comment(message: str) -> None:
    assert [m["name"] for m in lines(message) if not m["comment"]] == []


@pytest.mark.parametrize("message", [path.stem for path in MESSAGES])
def test_every_line_of_a_message_is_understood_here(message: str) -> None:
    path = next(path for path in MESSAGES if path.stem == message)
    text = path.read_text(encoding="utf-8").splitlines()
    code = [line for line in text if line.strip() and not line.startswith("#")]
    assert len(lines(message)) == len(code)
