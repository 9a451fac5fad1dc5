"""What is remembered of a proposal that must not be executed: what was done and seen."""

from policy_world import CUP, PLATE, START, odometry

from vlam_ros.types import Plan, Progress, Sighting, SkillStep

STEPS = SkillStep("pick_up", CUP), SkillStep("place", destination=PLATE)
SEEN, LATER = Sighting(CUP, START, odometry()), Sighting(CUP, START + 1, odometry(0.1))
THERE = Sighting(PLATE, START + 1, odometry(0.1))


def progress(current: int, since: int = 0, trace: str = "before", **others: object) -> Progress:
    return Progress(Plan(STEPS, current, trace), since, **others)  # type: ignore[arg-type]


def test_the_plan_stays_as_it_was_executed_last_and_its_step_begins_anew() -> None:
    before = progress(0, START, target=SEEN)
    following = progress(0, START, trace="now", target=LATER, destination=THERE, held="red cup")
    kept = progress(0, target=LATER, destination=THERE, held="red cup")
    assert before.held_back(following) == kept
    assert before.held_back(following).plan is before.plan


def test_a_step_that_was_executed_to_its_end_stays_done() -> None:
    before = progress(0, START, target=SEEN)
    following = progress(1, START + 7, trace="now", target=LATER, destination=THERE, held="red cup")
    kept = progress(1, trace="now", target=LATER, destination=THERE, held="red cup")
    assert before.held_back(following) == kept


def test_a_step_that_was_not_being_executed_is_not_done() -> None:
    before = progress(0, target=SEEN, held="blue plate")
    kept = before.held_back(progress(1, START, target=LATER, held="red cup"))
    assert kept == progress(0, target=LATER, held="red cup")


def test_of_a_task_that_was_never_begun_nothing_is_kept_but_what_is_held() -> None:
    following = progress(1, START, target=LATER, destination=THERE, held="red cup")
    assert Progress().held_back(following) == Progress()
    assert Progress(held="green ball").held_back(following) == Progress(held="green ball")


def test_what_is_no_longer_known_of_the_following_is_not_made_up() -> None:
    before = progress(0, START, target=SEEN, destination=THERE, held="red cup")
    assert before.held_back(progress(0)) == progress(0)


def test_interrupted_is_all_but_the_start_of_the_step() -> None:
    before = progress(1, START, target=SEEN, destination=THERE, held="red cup")
    assert before.interrupted() == progress(1, target=SEEN, destination=THERE, held="red cup")
    assert (Progress().current, before.current) == (0, 1)
