import pytest
from policy_world import skills, thing

from vlam_ros.policy import Refusal
from vlam_ros.policy.plan import ground, outline
from vlam_ros.types import Instruction, ObjectPhrase, Placement, Plan, Reason

CUP, PLATE = thing("red cup", 1.02, -0.11, score=0.97), thing("blue plate", 1.40, 0.30, score=0.93)


def instruction(
    target: str = "", destination: str = "", placement: Placement = Placement.NONE
) -> Instruction:
    return Instruction(
        text="as said",
        skill_phrase="as said",
        target=ObjectPhrase(target) if target else None,
        destination=ObjectPhrase(destination) if destination else None,
        placement=placement,
    )


PUT = instruction("red cup", "blue plate", Placement.ON)


def names(plan: Plan) -> list[str]:
    return [step.skill for step in plan.steps]


def test_putting_is_picking_up_and_placing_in_one_readable_line() -> None:
    plan = ground(outline(skills()["place"], PUT), 0, PUT, [CUP, PLATE], 0.15)
    assert names(plan) == ["pick_up", "place"]
    assert plan.trace == (
        "pick up red cup (1.02, -0.11) [0.97] -> place on blue plate (1.40, 0.30) [0.93]"
    )
    assert (plan.steps[0].target, plan.steps[0].destination) == (CUP, None)
    assert (plan.steps[1].target, plan.steps[1].destination) == (None, PLATE)


def test_without_a_target_what_is_held_is_placed() -> None:
    down = instruction(destination="blue plate", placement=Placement.NEXT_TO)
    plan = outline(skills()["place"], down)
    assert names(plan) == ["place"]
    assert plan.trace == "place next to blue plate"


def test_an_outline_says_what_is_wanted_before_it_is_found() -> None:
    assert outline(skills()["place"], PUT).trace == "pick up red cup -> place on blue plate"
    assert outline(skills()["stop"], PUT).trace == "stop"


@pytest.mark.parametrize(
    ("skill", "said", "message"),
    [
        ("go_to", instruction(), "go to needs a target"),
        ("place", instruction("red cup"), "place needs a destination"),
        ("pick_up", PUT, "pick up takes no destination: leave out 'blue plate'"),
    ],
)
def test_nouns_that_do_not_fit_the_skill_are_refused(
    skill: str, said: Instruction, message: str
) -> None:
    with pytest.raises(Refusal, match=message) as refusal:
        outline(skills()[skill], said)
    assert refusal.value.reason is Reason.INSTRUCTION_INVALID


def test_stop_is_never_refused_for_its_nouns() -> None:
    assert names(outline(skills()["stop"], PUT)) == ["stop"]


def test_target_and_destination_have_reasons_of_their_own() -> None:
    plan = outline(skills()["place"], PUT)
    for seen, reason in (
        ([PLATE], Reason.TARGET_NOT_FOUND),
        ([CUP], Reason.DESTINATION_NOT_FOUND),
    ):
        with pytest.raises(Refusal) as refusal:
            ground(plan, 0, PUT, seen, 0.15)
        assert refusal.value.reason is reason


def test_what_is_done_needs_not_be_seen_again() -> None:
    plan = ground(outline(skills()["place"], PUT), 0, PUT, [CUP, PLATE], 0.15)
    moved = thing("blue plate", 1.2, 0.3)
    later = ground(plan, 1, PUT, [moved], 0.15)
    assert (later.current, later.steps[0].target, later.steps[1].destination) == (1, CUP, moved)


def test_nothing_is_put_on_itself() -> None:
    again = instruction("red cup", "cup", Placement.NEXT_TO)
    same, other = thing("cup", 1.02, -0.11), thing("cup", 1.5, 0.4)
    plan = ground(outline(skills()["place"], again), 0, again, [CUP, same, other], 0.15)
    assert plan.steps[1].destination is other
    with pytest.raises(Refusal) as refusal:
        ground(outline(skills()["place"], again), 0, again, [CUP, same], 0.15)
    assert refusal.value.reason is Reason.DESTINATION_NOT_FOUND


def test_a_search_does_not_need_to_see_what_it_is_for() -> None:
    lost = instruction("red cup")
    plan = ground(outline(skills()["search"], lost), 0, lost, [], 0.15)
    assert plan.trace == "search red cup"
