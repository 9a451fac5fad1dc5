"""What may be called false of a thing: another noun, another colour, and nothing else."""

from __future__ import annotations

import pytest

from vlam_ros.configuration import Settings
from vlam_ros.lab.training.hard_negatives import HardNegatives

NEGATIVES = HardNegatives(
    Settings.load().perception,
    ["ring", "red ring", "paper cup", "blue object", "salt mill", "coffee mug", "Mug"],
)


def test_new_names_bring_their_nouns_along() -> None:
    assert NEGATIVES.nouns[7:] == ("ring", "mug", "salt mill")
    assert "red salt mill" in NEGATIVES.of("red ring")
    assert "blue ring" in NEGATIVES.of("blue cup")


@pytest.mark.parametrize(
    ("names", "phrase", "false"),
    [(("cup", "blue cup"), "red cup", True),
     (("cup", "blue cup"), "blue box", True),
     (("cup", "blue cup"), "blue object", False),
     (("cup", "blue cup"), "red object", True),
     (("cup",), "red cup", False),
     (("cup",), "red object", False),
     (("ring",), "cup", True),
     (("paper cup",), "cup", False),
     (("paper cup",), "glass cup", False),
     (("salt mill",), "red ring", True),
     (("cup", "ring"), "ring", False),
     (("cup", "ring"), "box", True),
     (("coffee mug",), "mug", False),
     (("Mug", "Blue Mug"), "mug", False)],
)  # fmt: skip
def test_a_phrase_is_false_of_a_thing_with_another_noun_or_colour(
    names: tuple[str, ...], phrase: str, false: bool
) -> None:
    assert NEGATIVES.excludes(names, phrase) is false


def test_what_is_absent_is_true_of_nothing_that_is_there() -> None:
    absent = NEGATIVES.absent([("cup", "blue cup"), ("ring",)], ["ball", "red ring", "glass cup"])
    assert {"ball", "red cup", "blue box", "salt mill"} <= set(absent)
    assert not {"red ring", "glass cup", "blue ring", "cup"} & set(absent)
