"""vlam_node: images and instructions in, action chunks out.

A managed node: configuring loads and warms up the models, and only an active node decides. ROS
has one thread; inference has another, which takes the newest image that has its depth, or that
has waited for it long enough (`ros/loop.py`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from std_msgs.msg import String

from vlam_ros.configuration import Settings
from vlam_ros.errors import InstructionError
from vlam_ros.language import parse_instruction
from vlam_ros.ros import qos
from vlam_ros.ros.decider import Answer, Decider, DecisionMaker, describe
from vlam_ros.ros.image_inputs import ImageInputs
from vlam_ros.ros.inputs import SensorInputs
from vlam_ros.ros.loop import DecisionLoop, ImageMessage
from vlam_ros.ros.managed import ManagedNode
from vlam_ros.ros.mount import Transforms
from vlam_ros.ros.outputs import Outputs
from vlam_ros.ros.parameters import NodeParameters
from vlam_ros.ros.reporter import DecisionReporter
from vlam_ros.ros.run import run_managed
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.ros.synchroniser import DEPTH_MARGIN, LOOK_PERIOD
from vlam_ros.threads import wait_without_spinning
from vlam_ros.types import InstructionRequest, Outcome, Reason, Verdict


def load_pipeline(settings: Settings) -> DecisionMaker:
    """The pipeline of the settings; the models are imported with it, not with the node."""
    from vlam_ros.pipeline import Pipeline

    return Pipeline.from_settings(settings)


class VlamNode(ManagedNode):
    """Decides on the newest image what the robot does about the newest instruction."""

    def __init__(
        self, make_pipeline: Callable[[Settings], DecisionMaker] = load_pipeline, **node: Any
    ) -> None:
        """Declare the parameters and advertise; `node` are keyword arguments of rclpy's Node."""
        super().__init__("vlam_node", **node)
        self._make_pipeline = make_pipeline
        self._declared = NodeParameters(self, Settings)
        self._transforms = Transforms(self)
        self.reporter: DecisionReporter = DecisionReporter(self, self._details)
        self._outputs = Outputs(self)
        self._answered = self.create_guard_condition(self._on_answers)
        # Wall time, also where the node's clock is simulated: a restarted node must be newer.
        # An empty text is no instruction, and has its place in the order all the same.
        self._request = InstructionRequest("", epoch=time.time_ns())
        self._done = False  # what the request asks for
        self._loop: DecisionLoop | None = None  # while active

    # --------------------------------------------------------------------------- life cycle

    def configure(self) -> None:
        """Check the parameters, load and warm up the models, subscribe."""
        self._settings = self._declared.settings()
        self._pipeline = self._make_pipeline(self._settings)
        self._pipeline.warm_up()
        self._inputs = SensorInputs(
            self, self._settings, self._transforms, self.reporter.report_error, self._on_depth
        )
        self._images = ImageInputs(self, self._on_image)
        self._subscribed = [
            self.create_subscription(String, "instruction", self._on_instruction, qos.INSTRUCTION),
            self.create_subscription(String, "replan", self._on_replan, qos.INSTRUCTION),
        ]

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start to decide."""
        decider = Decider(self._pipeline, self._settings, lambda: self._inputs.latest, self.now)
        wait = round((self._settings.sensors.lidar_wait + DEPTH_MARGIN) * 1e9)
        self._loop = DecisionLoop(decider, self._answered.trigger, wait)
        # Deadlines are on the steady clock: /clock may stand still.
        self._watchdog = self.steady_timer(self._settings.policy.max_image_age, self._no_image)
        self._clocked = [
            self._watchdog,
            self.steady_timer(LOOK_PERIOD, self._look),
            # Four assertions per lease: one that comes late must not stop the robot.
            self.steady_timer(qos.CHUNK_LEASE.nanoseconds / 1e9 / 4, self._outputs.assert_alive),
        ]
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop the robot, then stop deciding. The instruction is forgotten: a robot that is
        activated again waits for a new one.
        """
        self._take("")
        self._hold(Reason.NO_INSTRUCTION, "vlam_node was deactivated")
        self._outputs.flush(seconds=0.5)  # the process may be about to end
        for timer in self._clocked:
            self.destroy_timer(timer)
        if self._loop is not None:
            self._loop.stop()
            self._loop = None
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give up models and subscriptions."""
        del self._pipeline
        self._inputs.destroy()
        self._images.destroy()
        for subscription in self._subscribed:
            self.destroy_subscription(subscription)
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop the robot first, where the node was active."""
        if self._loop is not None:
            self.on_deactivate(state)
        return super().on_shutdown(state)

    # --------------------------------------------------------------------------- in

    def _on_image(self, message: ImageMessage) -> None:
        if self._loop is None:
            return
        stamp, newest = nanoseconds(message.header.stamp), self._loop.newest
        if newest is not None and newest - stamp > self._settings.policy.max_image_age * 1e9:
            self.time_jumped()
        if self._loop.put(message):
            self.reporter.image()
            self._watchdog.reset()
            self._look()

    def _on_depth(self, stamp: int) -> None:
        if self._loop is not None:
            self._loop.depth(stamp)
            self._look()

    def _look(self) -> None:
        if self._loop is not None:
            self._loop.look(self.now(), self._inputs.depth_published, *self._asked())

    def _on_instruction(self, message: String) -> None:
        if self._loop is None:
            self.reporter.report_error(
                "instruction ignored: vlam_node is not active", "instruction"
            )
            return
        self._take(message.data)
        try:
            parse_instruction(message.data)
        except InstructionError as error:
            self._hold(Reason.INSTRUCTION_INVALID, str(error))
        else:
            self._stop_moving("a new instruction came, and no image was decided on since")
        self._loop.again(*self._asked())

    def _on_replan(self, message: String) -> None:
        """The controller missed a part of what it was told: begin the instruction anew."""
        if self._loop is None or not self._request.text or self._done:
            return
        self.get_logger().warning(f"the instruction begins anew: {message.data}")
        self._take(self._request.text)
        self._stop_moving(f"{message.data}; no image was decided on since")
        self._loop.again(*self._asked())

    def _take(self, text: str) -> None:
        """A new instruction, newer than any before; nothing under way counts any more."""
        sequence = self._request.sequence + 1
        self._request = replace(self._request, text=text, sequence=sequence)
        self._done = False
        if self._loop is not None:
            self._loop.void()

    def _asked(self) -> tuple[InstructionRequest | None, bool]:
        """The instruction, and whether an overlay is wanted."""
        return (self._request if self._request.text else None), self._outputs.overlay_wanted

    def time_jumped(self) -> None:
        """Start anew: nothing that came is of this time."""
        if self._loop is not None:
            self._loop.forget()
            self._inputs.forget()
            self._stop_moving("time jumped back, and no image was decided on since")

    def _no_image(self) -> None:
        if not self._request.text:
            self._hold(Reason.NO_INSTRUCTION, "publish one on instruction")
        else:
            seconds = self._settings.policy.max_image_age
            self._hold(Reason.STALE_SENSOR, f"no image for {seconds} s: is the camera running?")

    # --------------------------------------------------------------------------- out

    def _on_answers(self) -> None:
        if self._loop is None:
            return
        for answer in self._loop.answers():
            counts = self._loop.counts(answer)
            if counts:
                self._publish(answer)
            if answer.inputs is not None:
                published = counts and answer.decision is not None
                inputs = replace(answer.inputs, published=published)
                self._outputs.publish_inputs(inputs, answer.job.message.header.frame_id)

    def _publish(self, answer: Answer) -> None:
        job, verdict = answer.job, answer.verdict
        if answer.report or verdict.reason is Reason.INTERNAL_ERROR:
            self.reporter.report_error(answer.report or verdict.message, "image")
        if answer.decision is None:
            self._outputs.publish_hold(self._settings.action, job.stamp, self._request, verdict)
        else:
            # The pipeline cannot know the order of a request that it is not given.
            chunk = replace(answer.decision.chunk, request=self._request)
            decision = replace(answer.decision, chunk=chunk)
            self._done = verdict.outcome is Outcome.DONE
            self._outputs.publish_decision(decision, answer.overlay, job.message.header.frame_id)
        self.reporter.decision(verdict, latency=self.now() - job.stamp)

    def _stop_moving(self, why: str) -> None:
        if self._outputs.moving:
            self._hold(Reason.STALE_SENSOR, why)

    def _hold(self, reason: Reason, message: str) -> None:
        verdict = Verdict(Outcome.HOLD, reason, message)
        self._outputs.publish_hold(self._settings.action, self.now(), self._request, verdict)
        self.reporter.decision(verdict)

    def _details(self) -> Mapping[str, str] | None:
        """For diagnostics; None while not active."""
        if self._loop is None:
            return None
        return {
            "images passed over": str(self._loop.passed_over),
            "images lost": str(self._images.lost),
            **self._inputs.latest.ages(self.now()),
            **describe(self._pipeline.grounder),
        }


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; returns 0 then."""
    wait_without_spinning()
    return run_managed(VlamNode, args)


if __name__ == "__main__":
    sys.exit(main())
