"""What is asked, and what is true of it."""

from vlam_ros.lab.evaluation.queries import ABSENT, QueryKind, questions
from vlam_ros.lab.simulation.scene import HELD_OUT_PAIRS, scene_of_seed
from vlam_ros.lab.simulation.world import World

SCENES = 12


def test_queries_fit_the_scene() -> None:
    with World(160, 120) as world:
        asked = list(questions(world, "test", SCENES))
    assert len(asked) == SCENES
    for index, question in enumerate(asked):
        there = {o.phrase for o in scene_of_seed("test", index).objects}
        present = {q.phrase for q in question.queries if q.kind is QueryKind.PRESENT}
        absent = [q for q in question.queries if q.kind in ABSENT]
        for query in (q for q in question.queries if q.kind is QueryKind.GENERAL):
            word = query.phrase.split()[0]
            assert query.truth.any()
            assert word in {w for p in there for w in p.split()}
        assert present == there
        assert not {q.phrase for q in absent} & there
        assert not any(q.truth.any() for q in absent)
        colours, shapes = ({p.split()[i] for p in there} for i in (0, 1))
        for query in absent:
            colour, shape = query.phrase.split()
            assert query.kind is not QueryKind.SAME_COLOUR or colour in colours
            assert query.kind is not QueryKind.SAME_SHAPE or shape in shapes


def test_a_third_of_the_absent_phrases_share_the_colour() -> None:
    with World(160, 120) as world:
        asked = [q for question in questions(world, "test", SCENES) for q in question.queries]
    absent = [q for q in asked if q.kind in ABSENT]
    assert 3 * sum(q.kind is QueryKind.SAME_COLOUR for q in absent) >= len(absent)


def test_compositions_ask_for_pairs_never_trained_only() -> None:
    with World(160, 120) as world:
        asked = [
            q for question in questions(world, "composition", SCENES) for q in question.queries
        ]
    assert asked
    assert all(tuple(q.phrase.split()) in HELD_OUT_PAIRS for q in asked)
