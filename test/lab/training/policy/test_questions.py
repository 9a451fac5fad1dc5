"""Questions about images, with answers beyond doubt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vlam_ros.lab.generators import LabelledImage, Thing
from vlam_ros.lab.training.policy.questions import questions_about


def test_questions_have_answers_beyond_doubt() -> None:
    labels = np.zeros((100, 200), np.uint8)
    labels[40:60, 20:40], labels[40:60, 150:170], labels[70:90, 90:110] = 1, 2, 3
    things = (Thing("box", "red"), Thing("box", "blue"), Thing("cup", "green"))
    shown = LabelledImage(np.zeros((100, 200, 3), np.uint8), labels, things)
    asked = dict(questions_about(shown, np.random.default_rng(0)))
    assert asked["what colour is the left box"] == "red"
    assert asked["what colour is the right box"] == "blue"
    assert asked["what colour is the cup"] == "green"
    assert asked["where is the red box"] == "37 126"
    assert asked["what is there"] == "red box , green cup , blue box"
    counts = {q: a for q, a in asked.items() if q.startswith("how many")}
    assert set(counts.items()) <= {
        ("how many boxes are there", "2"), ("how many cups are there", "1"),
    }  # fmt: skip
    there = {question: answer for question, answer in asked.items() if question.startswith("is")}
    assert set(there.values()) == {"yes", "no"}
    names = {f"is there a {thing.colour} {thing.noun}" for thing in things}
    assert {question for question, answer in there.items() if answer == "yes"} <= names
    # What is half hidden, or has no name, is nothing to ask about.
    small = labels.copy()
    small[72:90, 90:110] = 0
    assert not list(questions_about(replace(shown, labels=small), np.random.default_rng(0)))
    nameless = replace(shown, things=(*things[:2], Thing("?", "green")))
    assert not list(questions_about(nameless, np.random.default_rng(0)))
