"""Instructions of the command line."""

from __future__ import annotations

import pytest

from vlam_ros.errors import ReplayError
from vlam_ros.lab.replay.timed import Cue, parse_script


@pytest.mark.parametrize(
    ("line", "cue"),
    [
        ("go to the red cup", Cue(0.0, "go to the red cup")),
        ("  go there \n", Cue(0.0, "go there")),
        ("12.5: stop", Cue(12.5, "stop")),
        ("3:stop", Cue(3.0, "stop")),
        (" 0.5 : take the cup: the red one ", Cue(0.5, "take the cup: the red one")),
        (".25: stop", Cue(0.25, "stop")),
        ("7.: stop", Cue(7.0, "stop")),
        ("first: stop", Cue(0.0, "first: stop")),
        ("2 cups: take one", Cue(0.0, "2 cups: take one")),
    ],
)
def test_a_line_is_an_instruction_with_or_without_its_time(line: str, cue: Cue) -> None:
    assert parse_script([line]) == (cue,)


def test_cues_come_in_order_of_time_and_as_they_were_given_at_the_same_time() -> None:
    cues = parse_script(["4: last", "go there", "1: b", "1: a", "0.5: early"])
    assert [cue.text for cue in cues] == ["go there", "early", "b", "a", "last"]
    assert parse_script([]) == ()


@pytest.mark.parametrize("line", ["", "  ", "12:", "12.5: "])
def test_an_instruction_without_text_is_refused(line: str) -> None:
    with pytest.raises(ReplayError) as caught:
        parse_script(["go there", line])
    assert str(caught.value) == f"an instruction is TEXT or SECONDS: TEXT, got {line!r}"
