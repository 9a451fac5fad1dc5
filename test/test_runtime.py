"""The loop, with a source in the test's hand: which image is next, on which instruction it is
decided, what is published, and what is forgotten when time jumps back.
"""

from __future__ import annotations

import numpy as np
import pytest
from replayed import Witness
from told_decisions import decision

from vlam_ros.errors import ImageError
from vlam_ros.runtime import (
    IMAGES_KEPT,
    MISSES,
    DecisionFailure,
    DecisionJob,
    DecisionResult,
    ImageSelector,
    Runtime,
)
from vlam_ros.types import (
    Decision,
    DecisionInputs,
    InstructionRequest,
    Missing,
    Observation,
    Outcome,
    Reason,
    Verdict,
)

MS = 10**6
WAIT = 150 * MS
GO = "go to the red cup"

# ------------------------------------------------------------------------------ which image


class Images(ImageSelector):
    """Images by their stamps in ms, whose depth comes when it is told."""

    def __init__(self, *stamps: int, published: bool = True, period: int = 0) -> None:
        self.depths: set[int] = set()
        super().__init__(
            WAIT, lambda stamp: not published or stamp in self.depths, period * MS, MISSES
        )
        for stamp in stamps:
            self.take(stamp)

    def take(self, stamp: int) -> bool:
        return self.put(stamp * MS, stamp)

    def depth(self, stamp: int) -> None:
        self.depths.add(stamp * MS)
        self.depth_came()

    def at(self, now: float, last: bool = False) -> int | None:
        taken = self.next(round(now * MS), last)
        return None if taken is None else taken[1]


def test_without_anybody_who_publishes_depth_no_image_waits() -> None:
    waiting = Images(100, published=False)
    assert waiting.at(100) == 100
    assert waiting.at(100) is None


def test_the_newest_image_that_has_its_depth_is_next() -> None:
    waiting = Images(100, 133, 166)
    assert waiting.at(170) is None
    waiting.depth(100)
    waiting.depth(133)
    assert waiting.at(170) == 133
    assert waiting.passed_over == 1
    assert waiting.at(170) is None, "the third still waits"
    waiting.depth(166)
    assert waiting.at(200) == 166


def test_depth_may_come_before_its_image() -> None:
    waiting = Images()
    waiting.depth(100)
    waiting.take(100)
    assert waiting.at(100) == 100


def test_the_newest_image_that_has_waited_long_enough_is_next() -> None:
    waiting = Images(100, 133, 166)
    assert waiting.at(249.999) is None
    assert waiting.at(283) == 133
    assert waiting.passed_over == 1


def test_who_has_no_depth_for_several_images_is_not_waited_for_until_there_is_some() -> None:
    waiting = Images()
    for stamp in range(0, MISSES * 1000, 1000):
        waiting.take(stamp)
        assert waiting.at(stamp) is None
        assert waiting.at(stamp + 150) == stamp
    waiting.take(9000)
    assert waiting.at(9000) == 9000
    waiting.depth(9000)  # late, but there is some again
    waiting.take(10_000)
    assert waiting.at(10_000) is None


def test_a_image_with_depth_makes_up_for_those_without() -> None:
    waiting = Images()
    for stamp in range(0, 10_000, 1000):
        waiting.take(stamp)
        assert waiting.at(stamp) is None
        if stamp % 2000 == 0:
            waiting.depth(stamp)
            assert waiting.at(stamp) == stamp
        else:
            assert waiting.at(stamp + 150) == stamp


def test_no_more_than_a_few_images_are_held() -> None:
    waiting = Images(*range(100))
    assert waiting.passed_over == 100 - IMAGES_KEPT


def test_after_a_jump_the_same_stamp_is_another_image() -> None:
    waiting = Images(100)
    waiting.depth(100)
    waiting.clear()
    waiting.depths.clear()
    assert waiting.newest is None
    assert waiting.at(10**6, last=True) is None
    assert waiting.take(100)
    assert waiting.at(101) is None, "the depth was of another time"


def test_the_same_image_again_or_an_older_one_is_not_taken() -> None:
    waiting = Images(published=False)
    assert [waiting.take(stamp) for stamp in (100, 100, 60, 140)] == [True, False, False, True]
    assert (waiting.newest, waiting.at(150), waiting.at(150)) == (140 * MS, 140, None)


def test_of_a_period_the_newest_image_is_next_and_the_deadline_tells_when() -> None:
    waiting = Images(0, published=False, period=400)
    assert waiting.at(0) == 0
    assert waiting.deadline is None
    for stamp in (100, 200):
        waiting.take(stamp)
        assert waiting.at(stamp) is None
    assert waiting.deadline == 400 * MS
    assert (waiting.at(399), waiting.at(400)) == (None, 200)
    assert waiting.passed_over == 1


def test_an_image_without_depth_has_a_deadline() -> None:
    assert Images(100, 133).deadline == 250 * MS


# ------------------------------------------------------------------------------ the loop


def observe(image: str, stamp: int, now: int) -> Observation:
    """Of an image that is a word."""
    if image == "broken":
        raise ImageError("no such image")
    if image == "fault":
        raise ValueError("a fault")
    return Observation(stamp, now, np.zeros((3, 4, 3), np.uint8), Missing("no camera"))


class ScriptedMaker(Witness):
    """Decides as its verdict or its error says."""

    verdict = Verdict(Outcome.EXECUTE)
    error: Exception | None = None

    def step(self, observation: Observation, request: InstructionRequest | None) -> Decision:
        super().step(observation, request)
        if self.error is not None:
            raise self.error
        return decision(request=request, stamp=observation.stamp, verdict=self.verdict)


def runtime(maker: ScriptedMaker | None = None) -> Runtime:
    """One whose images do not wait."""
    return Runtime(maker or ScriptedMaker(), observe, max_image_age=1.0, epoch=7)


def job(loop: Runtime, ms: int, image: str = "image") -> DecisionJob:
    """To decide on an image that comes now."""
    assert loop.images.put(ms * MS, image)
    found = loop.next(ms * MS)
    assert found is not None
    return found


def decided(loop: Runtime, ms: int) -> DecisionResult:
    result = loop.decide(job(loop, ms), ms * MS)
    assert isinstance(result, DecisionResult)
    return result


def test_a_decision_has_the_instruction_with_its_order_and_tells_what_it_was_made_on() -> None:
    maker = ScriptedMaker()
    loop = runtime(maker)
    first = decided(loop, 100)
    assert maker.requests == [None]
    assert first.decision.chunk.request == InstructionRequest("", 7, 0)
    loop.instruct(GO)
    second = decided(loop, 200)
    assert maker.requests[1] == second.decision.chunk.request == InstructionRequest(GO, 7, 1)
    assert second.inputs == DecisionInputs.of(maker.observations[1], loop.request, era=0)
    assert (second.inputs.stamp, second.inputs.now) == (200 * MS, 200 * MS)
    assert second.observation is maker.observations[1]


@pytest.mark.parametrize("blank", ["", " ", "\n\t"])
def test_a_blank_instruction_is_none_and_has_its_place_in_the_order(blank: str) -> None:
    maker = ScriptedMaker()
    loop = runtime(maker)
    loop.instruct(GO)
    loop.instruct(blank)
    result = decided(loop, 100)
    assert (maker.requests, result.inputs.request) == ([None], None)
    assert result.decision.chunk.request == InstructionRequest(blank, 7, 2)
    assert not loop.replan()


def test_the_last_image_is_decided_on_once_more_for_a_new_instruction() -> None:
    loop = runtime()
    assert loop.again() is None
    first = job(loop, 100)
    loop.instruct(GO)
    again = loop.again()
    assert again == DecisionJob(first.image, first.stamp, loop.request, 0)


def test_what_a_newer_instruction_overtook_is_not_published() -> None:
    loop = runtime()
    loop.instruct(GO)
    result = decided(loop, 100)
    loop.instruct("go to the blue cup")
    assert not loop.accept(result)
    assert loop.accept(decided(loop, 200))


@pytest.mark.parametrize("again", [GO, f"  {GO}\n", GO.replace(" ", "  ")])
def test_an_equal_instruction_that_is_under_way_goes_on(again: str) -> None:
    maker = ScriptedMaker()
    loop = runtime(maker)
    assert loop.instruct(GO)
    assert not loop.instruct(again), "nothing was decided on it yet"
    first = decided(loop, 100)
    assert not loop.instruct(again)
    assert loop.accept(first), "repeating must not void what is being decided"
    assert not loop.instruct(again)
    assert loop.accept(decided(loop, 200))
    assert set(maker.requests) == {InstructionRequest(GO, 7, 1)}


@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.HOLD])
def test_an_equal_instruction_begins_again_if_it_is_done_or_held(outcome: Outcome) -> None:
    maker = ScriptedMaker()
    loop = runtime(maker)
    loop.instruct(GO)
    reason = Reason.TARGET_NOT_FOUND if outcome is Outcome.HOLD else Reason.NONE
    maker.verdict = Verdict(outcome, reason)
    assert loop.accept(decided(loop, 100))
    assert loop.instruct(GO)
    assert loop.request == InstructionRequest(GO, 7, 2)
    assert not loop.instruct(GO), "that one is under way now"


def test_after_another_instruction_or_a_jump_of_time_an_equal_one_is_new() -> None:
    loop = runtime()
    loop.instruct(GO)
    loop.instruct("stop")
    assert loop.instruct(GO)
    loop.reset()
    assert loop.instruct(GO)
    assert loop.request == InstructionRequest(GO, 7, 5)


def test_an_instruction_begins_anew_unless_it_is_done() -> None:
    maker = ScriptedMaker()
    loop = runtime(maker)
    loop.instruct(GO)
    assert loop.accept(decided(loop, 100))
    assert loop.replan()
    assert loop.request == InstructionRequest(GO, 7, 2)
    maker.verdict = Verdict(Outcome.DONE)
    result = decided(loop, 200)
    assert loop.accept(result)
    assert loop.accept(loop.decide(job(loop, 300, "broken"), 0))
    assert not loop.replan(), "a bad image does not undo what is done"
    loop.instruct(GO)
    assert loop.replan()


def test_when_time_jumps_back_everything_is_forgotten_with_the_instruction() -> None:
    maker = ScriptedMaker()
    loop = runtime(maker)
    loop.instruct(GO)
    result, waiting = decided(loop, 5000), job(loop, 5100)
    assert (maker.resets, loop.jumped_back(4100 * MS), loop.jumped_back(4000 * MS)) == (
        1, False, True,
    )  # fmt: skip
    loop.reset()
    assert not loop.accept(result)
    assert loop.again() is None
    assert loop.request == InstructionRequest("", 7, 2)
    after = decided(loop, 4000)
    assert (after.inputs.era, after.inputs.request, maker.resets) == (1, None, 2)
    # One that was begun before the jump may be done after it: it is not of this time.
    assert not loop.accept(loop.decide(waiting, 0))


@pytest.mark.parametrize(
    ("image", "error", "reason", "message"),
    [
        ("broken", None, Reason.STALE_SENSOR, "no such image"),
        ("fault", None, Reason.INTERNAL_ERROR, "ValueError: a fault"),
        ("image", RuntimeError("no memory"), Reason.INTERNAL_ERROR, "RuntimeError: no memory"),
    ],
)
def test_an_error_holds_and_the_next_image_is_decided_on(
    image: str, error: Exception | None, reason: Reason, message: str
) -> None:
    maker = ScriptedMaker()
    loop = runtime(maker)
    maker.error = error
    failure = loop.decide(job(loop, 100, image), 0)
    assert isinstance(failure, DecisionFailure)
    assert failure.verdict == Verdict(Outcome.HOLD, reason, message)
    assert (failure.inputs is None) == (error is None), "what was asked for is told"
    traced = "Traceback" in failure.report
    assert traced == (reason is Reason.INTERNAL_ERROR)
    assert loop.accept(failure)
    maker.error = None
    assert loop.accept(decided(loop, 200))
