"""Which images are decided on, when, and on which instruction, by messages that tests make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from replayed import MS, SETTINGS, Witness, image, show, timed

from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay.offline import Redecider
from vlam_ros.lab.replay.sensing import BagSensors
from vlam_ros.lab.replay.timed import Cue, Timed
from vlam_ros.runtime import DecisionResult
from vlam_ros.types import Attitude, Missing

HOUR = 3600 * 1000
WAIT, AGE = 150, 1000
"""ms"""


class SlowSensors(BagSensors):
    """Has the depth of an image as soon as a message "depth" with its stamp came."""

    def __init__(self) -> None:
        super().__init__(*SETTINGS, fuses=False, notes=Notes())
        self.came: set[int] = set()
        self.forgot = 0

    def feed(self, role: str, message: Any, now: int) -> None:
        if role == "depth":
            self.came.add(message)

    def ready(self, stamp: int) -> bool:
        return stamp in self.came

    def forget(self) -> None:
        super().forget()
        self.came.clear()
        self.forgot += 1


class QuickSensors(SlowSensors):
    """No image waits for its depth."""

    def ready(self, stamp: int) -> bool:
        return True


def run(
    messages: Sequence[Timed],
    sensors: SlowSensors | None = None,
    script: Sequence[Cue] = (),
    period: int = 0,
    maker: Witness | None = None,
    notes: Notes | None = None,
) -> list[DecisionResult]:
    """The decisions on messages; `period` in ms."""
    redecide = Redecider(
        sensors or QuickSensors(),
        maker or Witness(),
        script,
        WAIT / 1e3,
        period / 1e3,
        AGE / 1e3,
        notes or Notes(),
    )
    return list(redecide.run(messages))


def say(text: str, now: int) -> Timed:
    return timed("instruction", SimpleNamespace(data=text), now * MS)


def depth(stamp: int, now: int) -> Timed:
    return timed("depth", stamp * MS, now * MS)


def tick(now: int) -> Timed:
    return timed("imu", None, now * MS)


def merged(*parts: Sequence[Timed] | Timed) -> list[Timed]:
    """In order of time."""
    listed = [t for part in parts for t in ([part] if isinstance(part, Timed) else part)]
    return sorted(listed, key=lambda t: t.now)


def when(decided: Sequence[DecisionResult]) -> list[tuple[float, float]]:
    """Stamp and time of each decision, ms."""
    return [(d.inputs.stamp / MS, d.inputs.now / MS) for d in decided]


def asked(decided: Sequence[DecisionResult]) -> list[tuple[str, int] | None]:
    """Text and number of the instruction of each decision."""
    requests = [d.inputs.request for d in decided]
    return [(r.text, r.sequence) if r else None for r in requests]


# ------------------------------------------------------------------------------ which image


def test_every_image_is_decided_on_when_it_comes_if_nothing_is_waited_for() -> None:
    decided = run(show(0, 40, 80, delay=25))
    assert when(decided) == [(0, 25), (40, 65), (80, 105)]


def test_a_decision_a_period_is_made_on_the_newest_image() -> None:
    decided = run(show(*range(0, 1000, 40)), period=400)
    assert when(decided) == [(0, 0), (400, 400), (800, 800)]
    # Between images, on the newest that had come when the period was over.
    decided = run(merged(show(0, 90, 180, 270, 360, 450), [tick(t) for t in range(0, 500, 10)]),
                  period=200)  # fmt: skip
    assert when(decided) == [(0, 0), (180, 200), (360, 400)]


def test_a_image_waits_for_its_depth() -> None:
    decided = run(merged(show(100), tick(150), depth(100, 180), tick(200)), SlowSensors())
    assert when(decided) == [(100, 180)]


def test_a_image_without_depth_waits_no_longer_than_it_may() -> None:
    ticks = [tick(now) for now in range(100, 400, 10)]
    assert when(run(merged(show(100), ticks), SlowSensors())) == [(100, 100 + WAIT)]


def test_the_newest_image_that_has_its_depth_is_next_and_older_ones_are_passed_over() -> None:
    messages = merged(show(100, 133, 166), depth(133, 180), depth(166, 220), depth(100, 230))
    assert when(run(messages, SlowSensors())) == [(133, 180), (166, 220)]


def test_images_that_still_wait_when_the_bag_ends_are_decided_on() -> None:
    assert when(run(show(100, 133), SlowSensors())) == [(133, 133)]


def test_a_image_that_comes_twice_or_late_is_decided_on_once() -> None:
    messages = [*show(100), *show(100), *show(60), *show(140)]
    assert [stamp for stamp, _ in when(run(messages))] == [100, 140]


def test_a_image_that_cannot_be_read_is_noted_and_the_next_one_decided_on() -> None:
    broken = image(100 * MS)
    broken.encoding = "8UC3"
    notes = Notes()
    decided = run(merged(timed("image", broken, 100 * MS), show(140)), notes=notes)
    assert when(decided) == [(140, 140)]
    assert len(notes.lines) == 1
    assert notes.lines[0].startswith("an image was passed over: image encoding '8UC3'")


def test_a_image_of_a_bag_can_be_written_to_as_one_of_a_camera_can() -> None:
    """PyTorch warns of arrays that cannot."""
    frozen = image(0)
    frozen.data.flags.writeable = False
    maker = Witness()
    run([timed("image", frozen, 0)], maker=maker)
    assert maker.observations[0].image.flags.writeable


# ------------------------------------------------------------------------------ instructions


def test_an_instruction_counts_from_when_it_comes() -> None:
    messages = merged(show(0, 40, 80, 120), say("go there", 30), say("come back", 100))
    assert asked(run(messages)) == [None, ("go there", 1), ("go there", 1), ("come back", 2)]


def test_the_same_instruction_again_goes_on() -> None:
    decided = run(merged(show(0, 40), say("go there", 0), say("go there", 20)))
    assert asked(decided) == [None, ("go there", 1)]


def test_an_empty_instruction_is_none_and_the_next_one_is_newer_than_all_before() -> None:
    messages = merged(
        show(10, 40, 80), say("go there", 0), say(" ", 30), say("go there", 50)
    )  # fmt: skip
    assert asked(run(messages)) == [("go there", 1), None, ("go there", 3)]


def test_a_script_is_told_at_its_times_in_place_of_what_was_said() -> None:
    script = Cue(0, "go there"), Cue(0.1, "come back"), Cue(0.1, "stop"), Cue(9, "never")
    start = 5000
    messages = merged(
        show(*range(start, start + 200, 50)), say("something else", start + 60)
    )  # fmt: skip
    decided = run(messages, script=script)
    assert asked(decided) == [("go there", 1), ("go there", 1), ("stop", 3), ("stop", 3)]


# ------------------------------------------------------------------------------ time


def back(messages: Sequence[Timed]) -> list[Timed]:
    """The same, of which the first comes with a jump of time."""
    first, *rest = messages
    return [replace(first, jumped=True), *rest]


def test_nothing_is_remembered_when_time_jumps_back() -> None:
    sensors, maker = SlowSensors(), Witness()
    once = merged(show(100), depth(100, 120), show(200))
    decided = run([*once, *back(once), depth(200, 220)], sensors, maker=maker)
    assert when(decided) == [(100, 120), (100, 120), (200, 220)]
    assert [d.inputs.era for d in decided] == [0, 1, 1]
    assert sensors.forgot == 1
    assert maker.resets == 2  # once for each era
    assert [d.decision.chunk.trace.split()[0] for d in decided] == ["1", "1", "2"]


def test_a_image_that_waits_when_time_jumps_back_is_not_decided_on() -> None:
    messages = [*show(1000), *back(show(0)), depth(0, 20)]
    assert when(run(messages, SlowSensors())) == [(0, 20)]


def test_an_instruction_is_forgotten_in_a_jump_and_the_next_one_is_newer() -> None:
    decided = run([say("go there", 0), *show(100), *back(show(50)), say("go there", 60), *show(70)])
    assert asked(decided) == [("go there", 1), None, ("go there", 3)]


def test_images_whose_stamps_jump_back_begin_an_era_without_the_clock() -> None:
    """A bag that was recorded while another one was played in a loop."""
    messages = [timed("image", image(s * MS), n * MS) for s, n in
                ((5000, 5000), (5040, 5040), (3000, 5080), (3040, 5120))]  # fmt: skip
    decided = run(messages)
    assert [d.inputs.era for d in decided] == [0, 0, 1, 1]
    # A little out of order is no jump.
    assert [d.inputs.era for d in run([*show(5000), *show(5000 - AGE), *show(5001)])] == [0, 0]


def test_a_period_begins_anew_after_a_jump() -> None:
    decided = run([*show(1000), *back(show(900))], period=400)
    assert when(decided) == [(1000, 1000), (900, 900)]


def test_after_a_jump_the_next_cue_is_waited_for() -> None:
    """Their seconds are those of the bag, which has no loops."""
    script = Cue(0, "go there"), Cue(0.25, "come back")
    first = show(0, 100)
    second = [replace(t, received=t.received + 200 * MS) for t in back(show(0, 100))]
    assert asked(run([*first, *second], script=script)) == [
        ("go there", 1), ("go there", 1), None, ("come back", 3),
    ]  # fmt: skip


def test_in_a_gap_of_two_hours_waits_end_when_they_would_have() -> None:
    late = 2 * HOUR + 300
    decided = run(merged(show(200, 233), tick(240), tick(late), show(late)), SlowSensors())
    assert when(decided) == [(200, 350), (233, 383), (late, late)]
    decided = run(merged(show(0, 100), tick(late)), period=400)
    assert when(decided) == [(0, 0), (100, 400)]


def test_after_a_gap_the_sensors_of_before_it_do_not_count() -> None:
    sensors = QuickSensors()
    attitude = Attitude(0, 0.0, 0.0)
    sensors.latest = sensors.latest.with_data("attitude", attitude)
    decided = run(show(100, 2 * HOUR), sensors)
    assert decided[0].observation.attitude is attitude
    lost = decided[1].observation.attitude
    assert isinstance(lost, Missing)
    assert lost.lost
    assert lost.reason == "attitude: 7200.00 s old, 0.3 s are allowed"


@pytest.mark.parametrize("period", [0, 400])
def test_two_runs_are_the_same(period: int) -> None:
    messages = merged(show(*range(0, 2000, 33)), [depth(s, s + 90) for s in range(0, 2000, 99)],
                      say("go there", 500))  # fmt: skip
    one, other = (run(messages, SlowSensors(), period=period) for _ in range(2))
    assert [d.decision.chunk.trace for d in one] == [d.decision.chunk.trace for d in other]
    assert when(one) == when(other)
    assert len(one) == (41 if period == 0 else 5)
