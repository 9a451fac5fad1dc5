"""What the record of an episode says, and when it ends."""

from dataclasses import asdict

import pytest

from vlam_ros.lab.evaluation.episode_recorder import (
    CONTROL_TIME,
    GIVEN_UP,
    LIMIT,
    SETTLED,
    EpisodeRecord,
    EpisodeRecorder,
)
from vlam_ros.lab.evaluation.episodes import Episode, episode_of_seed
from vlam_ros.lab.simulation.motion import BasePose
from vlam_ros.lab.simulation.truth import Contact, TrueObject, Truth
from vlam_ros.types import Halt, Outcome, Reason, Verdict

TURN_TO, STOP = 1_000_023, 1_000_005
EXECUTE, DONE = Verdict(Outcome.EXECUTE, confidence=0.9), Verdict(Outcome.DONE)
HOLD = Verdict(Outcome.HOLD, Reason.TARGET_NOT_FOUND, "I do not see it")


def moment(
    episode: Episode, seconds: float, x: float = 0.0, contacts: tuple[Contact, ...] = ()
) -> Truth:
    things = episode.task.room.scene.objects
    objects = tuple(TrueObject(thing.phrase, thing.position, (1, 0, 0, 0)) for thing in things)
    stamp, visible = round(seconds * 1e9), (200,) * len(things)
    return Truth(stamp, BasePose(x), 0.0, objects, None, contacts, visible)


def recorder(seed: int = TURN_TO, control: bool = False) -> tuple[Episode, EpisodeRecorder]:
    episode = episode_of_seed(seed, control)
    return episode, EpisodeRecorder(episode, moment(episode, 0.3))


@pytest.mark.parametrize(("verdict", "patience"), [(DONE, SETTLED), (HOLD, GIVEN_UP)])
def test_it_ends_some_time_after_the_last_verdict_began(verdict: Verdict, patience: float) -> None:
    episode, book = recorder()
    book.decided(1.0, EXECUTE)
    book.saw(moment(episode, 30.0))
    assert not book.over
    book.decided(31.0, verdict)
    book.decided(31.0 + patience - 0.1, verdict)
    assert not book.over
    book.saw(moment(episode, 31.0 + patience))
    assert book.over


def test_it_ends_at_the_limit_whatever_is_decided() -> None:
    episode, book = recorder()
    book.decided(LIMIT - 0.1, EXECUTE)
    assert not book.over
    book.saw(moment(episode, LIMIT))
    assert book.over


def test_a_robot_that_must_not_move_is_watched_for_a_while() -> None:
    episode, book = recorder(control=True)
    book.decided(1.0, HOLD)
    book.saw(moment(episode, CONTROL_TIME - 0.1))
    assert not book.over
    book.saw(moment(episode, CONTROL_TIME))
    assert book.over


def test_the_record_counts_stops_way_contacts_and_both_latencies() -> None:
    episode, book = recorder()
    book.decided(0.8, EXECUTE)
    book.waited(0.5, 0.81)
    book.saw(moment(episode, 1.0, x=0.2))
    book.saw(moment(episode, 1.1, x=0.1))
    book.stopped({"HOLD": 2})
    stranger = 1 + (episode.task.target or 0)
    touches = (
        Contact(0, 1, "chassis", "wall0", 0.3, 1.0, 0.1),
        Contact(0, 1, "cup", f"object{stranger}", 0.1, 1.0, 0.1),
        Contact(0, 1, "cup", f"object{episode.task.target}", 0.4, 1.0, 0.1),
    )
    record = book.record(moment(episode, 1.2, 0.1, touches))
    assert record.path == pytest.approx(0.3)
    assert (record.collisions, record.fastest_contact) == (("chassis wall0 0.30 m/s",), 0.3)
    assert (record.latencies, record.wall_latencies) == ((0.5,), (0.81,))
    assert (record.stops, record.halts, record.compute) == ({"HOLD": 2}, {}, ())
    assert record.verdicts == {"EXECUTE NONE": 1}
    assert EpisodeRecord.from_dict(asdict(record)) == record


def test_the_controllers_stops_are_counted_and_timed_where_it_is_heard() -> None:
    _, book = recorder()
    for tick, halt in enumerate([Halt.HOLD, Halt.HOLD, Halt.NONE, Halt.HOLD]):
        book.stood(0.4 + 0.1 * tick, halt)
    episode = episode_of_seed(TURN_TO)
    record = book.record(moment(episode, 1.0))
    assert record.stops == {"HOLD": 2}
    assert record.halts == {"HOLD": pytest.approx(0.3)}
