"""One episode in lockstep, from its first instruction to its end."""

from __future__ import annotations

from collections.abc import Callable

from vlam_ros.configuration import ControllerSettings, FusionNodeSettings
from vlam_ros.lab.evaluation.episode_recorder import SETTLING, EpisodeRecord, EpisodeRecorder
from vlam_ros.lab.evaluation.episodes import Episode
from vlam_ros.lab.evaluation.judging import Moment, moment_of
from vlam_ros.lab.evaluation.lockstep import Lockstep
from vlam_ros.lab.simulation.simulator import Simulator
from vlam_ros.lab.simulation.truth import truth_of
from vlam_ros.runtime import DecisionMaker, DecisionResult

WATCH = 0.1
"""Seconds from one look at the truth to the next."""


def run_episode(
    episode: Episode,
    decider: DecisionMaker,
    fusion: FusionNodeSettings,
    controller: ControllerSettings,
    on_decision: Callable[[float, DecisionResult], None] = lambda seconds, decided: None,
) -> EpisodeRecord:
    """Run an episode in lockstep and judge it.

    Args:
        episode: what is asked for, in which room.
        decider: what decides.
        fusion: settings of the fusion.
        controller: settings of the controller.
        on_decision: hears of each decision, with the seconds since the start.
    """
    with Simulator(episode.task.room, seed=episode.seed) as simulator:
        loop = Lockstep(simulator, decider, fusion, controller)

        def look(visible: bool = False) -> Moment:
            return moment_of(truth_of(simulator, visible))

        recorder = EpisodeRecorder(episode, look())

        def note(decided: DecisionResult) -> None:
            seconds = simulator.now / 1e9
            recorder.decided(seconds, decided.verdict)
            recorder.computed(decided.seconds)
            on_decision(seconds, decided)

        script = list(episode.script)
        while simulator.now < SETTLING * 1e9:
            loop.tick(lambda decided: None)
        while not recorder.over:
            if script and simulator.now / 1e9 >= script[0][0] + SETTLING:
                loop.instruct(script.pop(0)[1])
            command = loop.tick(note)
            seconds = simulator.now / 1e9
            recorder.stood(seconds, command.halt)
            if seconds - recorder.looked_at >= WATCH:
                recorder.saw(look())
        return recorder.record(look(visible=True), simulator.contacts)
