"""One bag from the file to the report, with the embedded model."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from made_bags import Recorded
from replay_jobs import BAGS, job
from replay_runs import with_decisions
from replayed import contents, written

from vlam_ros.errors import ReplayError
from vlam_ros.lab.bags import BagWriter
from vlam_ros.lab.replay.job import attempt, decide, finish, replay_bag
from vlam_ros.lab.replay.roles import ROLES


def test_progress_grows_from_nothing_to_all() -> None:
    heard: list[float] = []
    replay_bag(job(BAGS / "loop"), heard.append)
    assert heard == sorted(heard)
    assert 0.0 <= heard[0] < 0.01
    assert heard[-1] == 1.0
    assert len(heard) > 100


def test_images_are_kept_of_no_more_decisions_than_asked_for() -> None:
    whole = decide(job(BAGS / "level"))
    assert sorted(whole.images) == [0, 1, 2]
    assert all(p.overlay.startswith(b"\xff\xd8\xff") for p in whole.images.values())
    few = decide(job(BAGS / "level", images=2))
    assert len(few.images) <= 2
    assert few.run.decisions_json() == whole.run.decisions_json()


def test_the_report_says_how_it_was_run() -> None:
    done = replay_bag(job(BAGS / "level"))
    assert done.comparison is None
    assert done.run.about["images"] == "/robot1/image"
    assert done.run.about["decided"] == "anew, every 0.4 s"
    assert done.run.about["instructions"] == "/robot1/instruction"
    assert done.row.outcomes == {"HOLD": 1, "EXECUTE": 2}


def test_a_run_that_took_another_way_differs_from_its_baseline() -> None:
    one = job(BAGS / "level")
    replayed = decide(one)
    comparison = finish(one, replace(replayed, baseline=replayed.run)).comparison
    assert comparison is not None
    assert comparison.same
    assert all(pair.equal for pair in comparison.pairs)
    shorter = with_decisions(replayed.run, replayed.run.decisions[:2], replayed.run.seconds[:2])
    comparison = finish(one, replace(replayed, baseline=shorter)).comparison
    assert comparison is not None
    assert comparison.new == (2,)


def unreadable(message: Recorded) -> Recorded:
    return message._replace(data=message.data[:2000]) if "image" in message.topic else message


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (unreadable, "a message of /image/compressed (sensor_msgs/msg/CompressedImage) cannot be"),
        (lambda m: m._replace(data=b"\7" * 40), "a message of /image/compressed (sensor_msgs"),
    ],
)
def test_nothing_that_can_be_read_is_one_clear_line(
    tmp_path: Path, change: Callable[[Recorded], Recorded], why: str
) -> None:
    bag = written(tmp_path / "bag", map(change, contents(BAGS / "pick_and_place")[:200]))
    with pytest.raises(ReplayError) as caught:
        replay_bag(job(bag))
    told = str(caught.value)
    assert told.startswith(f"no image of /image/compressed could be decided on: {why}")
    assert len(told) < 400
    assert "\n" not in told
    assert attempt(job(bag)).error == told  # type: ignore[union-attr]


def test_a_bag_whose_images_were_not_recorded_says_that_there_are_none(tmp_path: Path) -> None:
    listed = [m for m in contents(BAGS / "pick_and_place")[:50] if "image" not in m.topic]
    with BagWriter(tmp_path / "bag", compression=False) as writer:
        for topic, kind in {"/image": ROLES["image"], **{m.topic: m.kind for m in listed}}.items():
            writer.add(topic, kind)
        for message in listed:
            writer.write(message.topic, message.received, message.data)
    with pytest.raises(ReplayError, match="no image of /image could be decided on: there is none"):
        replay_bag(job(tmp_path / "bag"))
