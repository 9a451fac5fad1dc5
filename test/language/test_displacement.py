"""How far to turn or to move: what is said in words and digits, and what is refused."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlam_ros.errors import InstructionError
from vlam_ros.language import parse_instruction
from vlam_ros.types import Displacement

# sentence -> degrees to the left, negative to the right
TURNS: dict[str, float] = {
    "turn left 90 degrees": 90,
    "Turn right 90°.": -90,
    "turn 45deg to the right": -45,
    "turn to your left by 30 degrees, please": 30,
    "turn left, 90 degrees": 90,
    "turn left 90": 90,
    "rotate clockwise by 22,5 degrees": -22.5,
    "turn one hundred and eighty degrees": 180,
    "could you turn a hundred and twenty degrees counter-clockwise?": 120,
    "turn two hundred seventy degrees right": -270,
    "turn twenty-five degrees left": 25,
    "turn right by 1.57 radians": -math.degrees(1.57),
    "rotate by a quarter turn": 90,
    "make a 90-degree turn to the right": -90,
    "make a left turn": 90,
    "do three quarters of a turn": 270,
    "turn half a turn": 180,
    "make a full turn to the right": -360,
    "turn in place by thirty degrees": 30,
    # what is not said
    "turn left": 90,
    "turn to the right": -90,
    "turn around": 180,
    "spin around to the right": -180,
    "turn yourself around": 180,
}
# sentence -> metres forward, negative back
MOVES: dict[str, float] = {
    "move forward half a metre": 0.5,
    "Robot, please drive forward 1.5 m": 1.5,
    "drive forward 1,5 m": 1.5,
    "move .5 meters forward": 0.5,
    "go ½ m ahead": 0.5,
    "go 1/2 m back": -0.5,
    "move 1 1/2 m forward": 1.5,
    "move forward 1½ metres": 1.5,
    "move forward one and a half metres": 1.5,
    "move forward zero point two five metres": 0.25,
    "go straight for 80cm": 0.8,
    "move 200 mm": 0.2,
    "walk forward a metre": 1.0,
    "go back half a metre": -0.5,
    "back up 30 cm": -0.3,
    "back up three feet": -0.9144,
    "reverse 10 inches": -0.254,
    "drive fifty centimetres backwards": -0.5,
    "move a quarter of a meter back": -0.25,
    "drive １ m in reverse": -1.0,
    # what is not said
    "move forward": 0.5,
    "go straight ahead": 0.5,
    "go back": -0.5,
    "step back": -0.5,
    "back up": -0.5,
}
REFUSED = {
    "turn left 400 degrees": "5 to 360 degrees",
    "turn left 1 degree": "5 to 360 degrees",
    "turn right two turns": "5 to 360 degrees",
    "move forward 100 m": "0.05 to 3 m",
    "move forward 0 m": "0.05 to 3 m",
    "go back 1e9 m": "unit 'e9'",
    f"go back {'9' * 400} m": "0.05 to 3 m",
    "turn left 1/0 turn": "one distance or angle",
    "move forward 5 km": "unit 'km'",
    "move forward 3 bananas": "unit 'bananas'",
    "turn left 3 times": "unit 'times'",
    "move forward 2": "needs its unit",
    "move forward half": "needs its unit",
    "move forward 1,000 mm": "needs its unit",
    "move forward 5-10 cm": "needs its unit",
    "turn left 1 metre": "degrees were expected",
    "move forward 90 degrees": "metres were expected",
    "rotate -90 degrees": "in place of a sign",
    "move forward − 0.5 m": "in place of a sign",
    "turn left minus 90 degrees": "in place of a sign",
    "turn left 30 degrees right": "one direction",
    "turn left fifty fifty degrees": "one distance or angle",
    "turn right five twenty degrees": "one distance or angle",
    "move forward 5'3\"": "one distance or angle",
    "turn forward 90 degrees": "left or right",
    "move left 30 cm": "cannot go sideways",
    "go left": "cannot go sideways",
    "drive 1 m towards the red cup": "not both",
    "move forward 1 m but do not hurry": "not both",
    "move forward 0.5 m and pick up the red cup": "one motion at a time",
    "pick up the red cup, then go back 1 m": "one motion at a time",
    "turn left and move forward": "one motion at a time",
}
OF_ANOTHER_KIND = {
    "turn to the red cup": "turn to the object",
    "turn left to face the box": "turn left to face the object",
    "turn around and face the red cup": "turn around and face the object",
    "go back to the red cup": "go back to the object",
    "move to the box on the left": "move to the object",
    "push the ball away": "push the object away",
    "do not move": "do not move",
    "don't turn left": "don't turn left",
    "come here": "come here",
    "come back": "come back",
    "go ahead": "go ahead",
    "turn": "turn",
}


@pytest.mark.parametrize("sentence", TURNS)
def test_a_turn_is_an_angle(sentence: str) -> None:
    instruction = parse_instruction(sentence)
    assert instruction.displacement is not None
    assert instruction.displacement.distance == 0.0
    assert math.degrees(instruction.displacement.angle) == pytest.approx(TURNS[sentence])
    assert (instruction.text, instruction.named) == (sentence, {})


@pytest.mark.parametrize("sentence", MOVES)
def test_a_way_is_a_distance(sentence: str) -> None:
    instruction = parse_instruction(sentence)
    assert instruction.displacement is not None
    assert instruction.displacement.distance == pytest.approx(MOVES[sentence])
    assert instruction.displacement.angle == 0.0


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_is_no_displacement_that_can_be_done_is_refused_with_the_reason(sentence: str) -> None:
    with pytest.raises(InstructionError, match=re.escape(REFUSED[sentence])) as caught:
        parse_instruction(sentence)
    assert repr(sentence[:60])[1:-1] in str(caught.value)


@pytest.mark.parametrize("number", ["9" * 400 + "/1", "9" * 400 + "½", "1/" + "9" * 400])
def test_numbers_beyond_all_measure_are_refused_too(number: str) -> None:
    with pytest.raises(InstructionError):
        parse_instruction(f"go back {number} m")


@pytest.mark.parametrize("sentence", OF_ANOTHER_KIND)
def test_what_says_not_how_far_is_read_as_before(sentence: str) -> None:
    instruction = parse_instruction(sentence)
    assert (instruction.displacement, instruction.skill_phrase) == (None, OF_ANOTHER_KIND[sentence])


@given(st.integers(5, 300), st.sampled_from(["cm", " cm", " centimetres"]))
def test_every_whole_number_of_centimetres_is_that_many(number: int, unit: str) -> None:
    found = parse_instruction(f"move forward {number}{unit}").displacement
    assert found == Displacement(pytest.approx(number / 100))


def test_a_displacement_says_itself_for_the_plan() -> None:
    texts = [d.text for d in (Displacement(1.5), Displacement(-0.25), Displacement(0, -math.pi))]
    assert texts == ["forward 1.50 m", "back 0.25 m", "right 180 degrees"]
