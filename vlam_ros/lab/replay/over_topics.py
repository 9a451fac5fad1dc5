"""`vlam replay --ros`: a bag through the nodes themselves, over topics."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rclpy.qos import QoSProfile

from vlam_ros.errors import ReplayError
from vlam_ros.interface import RECORDED
from vlam_ros.lab.bags import BagReader
from vlam_ros.lab.bags.recorder import Recorder, in_namespace, recording
from vlam_ros.lab.live.node_process import START_PATIENCE, node_processes, private_domain
from vlam_ros.lab.live.session import NoAnswerError, Session, Watch, ignore
from vlam_ros.lab.notes import Notes
from vlam_ros.lab.replay.collected import Collected, DecisionCollector
from vlam_ros.lab.replay.job import (
    Progress,
    Replayed,
    ReplayJob,
    ReplayResult,
    about_run,
    baseline_of,
    decide,
    finish,
)
from vlam_ros.lab.replay.mounts import with_mounts
from vlam_ros.lab.replay.offline import ReplayOptions, fuses_anew
from vlam_ros.lab.replay.player import BagPlayer
from vlam_ros.lab.replay.records import ReplayRun
from vlam_ros.lab.replay.roles import DECISIONS, FUSED, IMAGES, ROLES, Assignment, assign
from vlam_ros.lab.replay.timed import Cue
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.ros.topics import message_class

ON_ITS_WAY = 0.2
"""Seconds of the bag in which an image is decided on after it has waited for its depth."""
ALL = QoSProfile(depth=200)
"""Reliable: every decision counts."""
PATIENCE = 10.0
"""Seconds that a decision may take at most; it is not waited for longer."""
GRACE = 0.3
"""Seconds that all that is told of a decision may come after its chunk; of an image that cannot be
used nothing does.
"""
_SPIN = 0.01  # s


@dataclass(frozen=True)
class Playback:
    """How a bag is played: `rate` times as fast as recorded, or as fast as decisions are made
    (None), and how often; time jumps back in between.
    """

    rate: float | None = 1.0
    loops: int = 1

    def __str__(self) -> str:
        how = "as fast as decisions came" if self.rate is None else f"at {self.rate:g} × its speed"
        times = f", {self.loops} times" if self.loops > 1 else ""
        return f"by the nodes over topics, played {how}{times}"


def replay_bag_over_ros(
    job: ReplayJob,
    playback: Playback,
    record: Path | None,
    logs: Path,
    progress: Progress = lambda done: None,
) -> ReplayResult:
    """Play a bag to nodes in a domain of their own, record what they do, and decide on that once
    more in this process: the two must agree, or the report says where they do not.

    The recorded bag stays at `record`, if given; the folder `logs` has what the nodes print;
    `progress` hears how much was played.

    Raises:
        VlamError: a node did not start, or ended.
    """
    os.environ.update(private_domain(os.environ))
    begin, notes = time.monotonic(), Notes()
    with TemporaryDirectory(prefix="vlam-replay-") as folder:
        kept = record or Path(folder) / "live"
        with BagReader(job.bag) as bag:
            roles = assign(bag.topics, job.options.mapping)
            baseline = baseline_of(job, bag, roles)
            if find_spec("tf2_ros") is None:
                settings, fusion = with_mounts(bag, roles, job.settings, job.fusion, notes)
                job = replace(job, settings=settings, fusion=fusion)
            live = _play(job, bag, roles, playback, kept, logs, progress, notes)
        again = decide(replace(job, bag=kept, baseline=None, options=ReplayOptions()))
    agreement = _agreement(live, again.run)
    run = replace(live, about={**live.about, "decided again in one process": agreement})
    places = {key: place for place, key in enumerate(_keys(run))}
    keys = _keys(again.run)
    images = {places[keys[i]]: image for i, image in again.images.items() if keys[i] in places}
    return finish(job, Replayed(run, baseline, images, time.monotonic() - begin))


def _agreement(live: ReplayRun, again: ReplayRun) -> str:
    if live.decisions_json() == again.decisions_json():
        return f"{len(live.decisions)} decisions, equal to the byte"
    made = {decision.to_json() for decision in again.decisions}
    missed = sum(decision.to_json() not in made for decision in live.decisions)
    return f"{missed} of {len(live.decisions)} decisions are not made again"


def _keys(run: ReplayRun) -> list[tuple[int, int, str]]:
    return [(d.era, d.stamp, d.instruction) for d in run.decisions]


def _play(
    job: ReplayJob,
    bag: BagReader,
    roles: Assignment,
    playback: Playback,
    kept: Path,
    logs: Path,
    progress: Progress,
    notes: Notes,
) -> ReplayRun:
    """What the nodes decide; what they do is recorded."""
    options = job.options
    fuses = fuses_anew(roles, options)
    slack = job.settings.sensors.lidar_wait + ON_ITS_WAY
    nodes = {"vlam_node": job.settings, **({"fusion_node": job.fusion} if fuses else {})}
    told = {name: {"use_sim_time": True, **own.changed()} for name, own in nodes.items()}
    with (
        node_processes(told, logs) as check,
        LiveReplay(bag, roles, notes, options.script, not fuses, slack) as live,
        # By this machine's clock: the bag's may jump back, and a bag is read in order of time.
        recording(kept, in_namespace(RECORDED)) as recorder,
    ):
        said = {f"/{topic}" for topic in (*DECISIONS, *(FUSED if fuses else ()))}
        live.wait_until_heard(
            START_PATIENCE,
            lambda state: check(),
            lambda: _unrecorded(recorder, live.player.topics | said),
        )
        length = max(1, bag.end - bag.start)
        for turn in range(playback.loops):

            def on_time(now: int, turn: int = turn) -> None:
                progress((turn + (now - bag.start) / length) / playback.loops)

            live.play(playback.rate, lambda state: check(), on_time, options.period)
    if (space := live.collector.space) is None:
        raise ReplayError(f"the nodes decided on no image of the bag; what they say is in {logs}")
    about = about_run(job, bag, roles, str(playback))
    remarks = (*roles.notes, *bag.notes, *notes.lines)
    records, seconds = zip(*live.decisions, strict=True) if live.decisions else ((), ())
    return ReplayRun(space, records, seconds, about, remarks)


def _unrecorded(recorder: Recorder, topics: Collection[str]) -> str:
    """What the recorder does not hear yet of what is to be recorded; empty if that is nothing."""
    missing = [t for t in topics if t not in recorder.left_out and not recorder.hears(t)]
    return f"the recorder to hear {min(missing)}" if missing else ""


class LiveReplay(Session):
    """Plays a bag to the vlam_node in this process's ROS domain. Use as a context manager.

    `decisions` are those that came so far, of the space of the `collector`; the seconds of each are
    those from when its image was published to when its chunk came, on the wall.
    """

    def __init__(
        self,
        bag: BagReader,
        roles: Assignment,
        notes: Notes,
        script: tuple[Cue, ...] = (),
        plays_fused: bool = False,
        slack: float = 0.5,
    ) -> None:
        """Advertise and subscribe; see `BagPlayer`. When `slack` s of the bag have gone by, an
        image need not wait for anything any more.
        """
        super().__init__("vlam_replay")
        self.player = BagPlayer(self._node, bag, roles, notes, script, plays_fused)
        self._notes, self._slack = notes, round(slack * 1e9)
        self.collector = DecisionCollector()
        self._heard = False
        self._sent: dict[int, float] = {}
        self._pending: deque[int] = deque()
        self._newest = -1
        self._answered = -1, 0.0
        self.decisions: list[Collected] = []
        for role in DECISIONS:
            kind = message_class(ROLES[role])
            self._node.create_subscription(kind, role, partial(self._on_message, role), ALL)

    def wait_until_heard(
        self, seconds: float, watch: Watch = ignore, also: Callable[[], str] = lambda: ""
    ) -> None:
        """Wait until the nodes listen to all that is played, and vlam_node is active. `also` says
        what else is waited for.

        Raises:
            NoAnswerError: it is not so in time.
        """
        end = time.monotonic() + seconds
        while missing := (
            (self.player.unheard() if self._heard else "vlam_node to be active") or also()
        ):
            watch(missing)
            if time.monotonic() > end:
                raise NoAnswerError(f"gave up waiting for {missing} after {seconds:g} s")
            self._spin()

    def play(
        self,
        rate: float | None,
        watch: Watch = ignore,
        progress: Callable[[int], None] = lambda received: None,
        period: float = 0.0,
    ) -> None:
        """Play the bag once, `rate` times as fast as recorded; None: each image when the one before
        is decided on, at least `period` s after it. `progress` hears when the message that is
        played was received, ns.
        """

        def spin(seconds: float) -> None:
            watch("decisions")
            self._spin(min(_SPIN, seconds))

        for step in self.player.play(rate, spin, self._slack, round(period * 1e9)):
            if rate is None or step.stop:
                self._catch_up(step.now, watch)
            if step.stop:
                self._forget()
            elif step.message is not None:
                progress(step.message.received)
                if step.message.role not in IMAGES:
                    continue
                stamp = nanoseconds(step.message.message.header.stamp)
                if stamp > self._newest:  # only a newer image is decided on
                    self._newest = stamp
                    self._sent[stamp] = time.monotonic()
                    self._pending.append(stamp)

    def _catch_up(self, now: int, watch: Watch) -> None:
        """Wait for the decisions that must have been begun by this time of the bag."""
        begin = time.monotonic()
        while self._pending and now >= self._pending[0] + self._slack:
            answered, when = self._answered
            if self._pending[0] <= answered:
                gives_up = time.monotonic() > when + GRACE
            elif gives_up := time.monotonic() > begin + PATIENCE:
                self._notes.add(f"no decision on an image within {PATIENCE:g} s")
            if gives_up:
                self._pending.popleft()
                begin = time.monotonic()
            watch("decisions")
            self._spin()

    def _forget(self) -> None:
        """Time is about to jump back: no image and no decision is of the time to come."""
        end = time.monotonic() + GRACE
        while time.monotonic() < end:
            self._spin()
        self._sent.clear()
        self._pending.clear()
        self._newest, self._answered = -1, (-1, 0.0)

    def _spin(self, seconds: float = _SPIN) -> None:
        self._executor.spin_once(timeout_sec=seconds)

    def _on_message(self, role: str, message: Any) -> None:
        self._heard = True
        stamp, now = nanoseconds(message.header.stamp), time.monotonic()
        waited = now - self._sent.get(stamp, now)
        self.decisions += self.collector.add(role, message, stamp + round(waited * 1e9))
        if role == "action_chunk" and stamp in self._sent:
            self._answered = max(self._answered, (stamp, now))
        elif role == "decision_inputs":
            # older ones were passed over
            while self._pending and self._pending[0] <= stamp:
                self._pending.popleft()
            self._sent = {s: at for s, at in self._sent.items() if s >= stamp}
