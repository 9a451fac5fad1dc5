"""What is said in an episode means its task, and half of it in words never trained."""

import pytest

from vlam_ros.errors import InstructionError
from vlam_ros.lab.evaluation.episodes import Episode, episode_of_seed
from vlam_ros.lab.simulation.tasks import Kind
from vlam_ros.lab.training.captions import SKILL_PATTERNS
from vlam_ros.language import parse_instruction
from vlam_ros.types import Placement

EPISODES = [episode_of_seed(1_000_000 + i) for i in range(120)]
CONTROL = [episode_of_seed(1_000_000 + i, control=True) for i in range(120)]


def test_a_seed_is_an_episode_and_the_control_set_has_others() -> None:
    assert episode_of_seed(1_000_007) == EPISODES[7]
    assert (EPISODES[7].name, CONTROL[7].name) == ("task-1000007", "control-1000007")
    assert not any(episode.control for episode in EPISODES)
    assert all(episode.control for episode in CONTROL)


@pytest.mark.parametrize("episode", EPISODES, ids=lambda e: e.name)
def test_what_can_be_done_is_a_sentence_of_the_grammar(episode: Episode) -> None:
    task = episode.task
    parsed = parse_instruction(episode.script[0][1])
    assert parsed.target is not None
    assert parsed.target.text in task.noun
    assert (parsed.destination.text if parsed.destination else "") == task.place
    if task.kind in (Kind.PUT_ON, Kind.PUT_NEXT_TO):
        wanted = Placement.ON if task.kind is Kind.PUT_ON else Placement.NEXT_TO
        assert parsed.placement is wanted


def test_half_of_the_sentences_are_of_patterns_never_trained() -> None:
    trained = {p for patterns in SKILL_PATTERNS.values() for p in patterns}
    for episode in EPISODES:
        task, said = episode.task, episode.script[0][1]
        pattern = said.replace(f"the {task.noun}", "{t}", 1)
        if task.place:
            pattern = pattern.replace(f"the {task.place}", "{d}", 1)
        assert (pattern in trained) != episode.paraphrased
    assert 40 <= sum(episode.paraphrased for episode in EPISODES) <= 80


def test_a_stop_comes_while_the_robot_drives() -> None:
    stops = [e for e in EPISODES if e.task.kind is Kind.STOP]
    assert [[at for at, _ in e.script] for e in stops] == [[0.0, 3.0]] * len(stops) != []


def test_most_nonsense_is_no_sentence_of_the_grammar_or_has_no_known_verb() -> None:
    nonsense = [e.script[0][1] for e in CONTROL if e.task.kind is Kind.NONSENSE]
    assert len(set(nonsense)) > 10
    refused = 0
    for text in nonsense:
        try:
            parse_instruction(text)
        except InstructionError:
            refused += 1
    assert refused >= len(nonsense) // 4
