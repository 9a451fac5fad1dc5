"""One bag from the file to the report, with the embedded model."""

from dataclasses import replace

from replay_jobs import BAGS, job
from replay_runs import with_decisions

from vlam_ros.lab.replay.job import decide, finish, replay_bag


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
