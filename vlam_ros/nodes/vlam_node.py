"""vlam_node: pictures and instructions in, action chunks out.

A managed node: configuring loads and warms up the models, and only an active node decides. ROS
has one thread; inference has another, which always takes the newest picture (`ros/mailbox.py`).
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from vlam_ros.configuration import Settings
from vlam_ros.errors import InstructionError, VlamError
from vlam_ros.language import parse_instruction
from vlam_ros.ros import qos
from vlam_ros.ros.decider import Answer, Decider, DecisionMaker, Job
from vlam_ros.ros.decisions import hold_chunk
from vlam_ros.ros.inputs import SensorInputs
from vlam_ros.ros.mailbox import Worker
from vlam_ros.ros.outputs import Outputs
from vlam_ros.ros.parameters import NodeParameters
from vlam_ros.ros.reporter import Reporter
from vlam_ros.ros.run import run_managed
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.types import InstructionRequest, Outcome, Reason, Verdict


def load_pipeline(settings: Settings) -> DecisionMaker:
    """The pipeline of the settings; the models are imported with it, not with the node."""
    from vlam_ros.pipeline import Pipeline

    return Pipeline.from_settings(settings)


class VlamNode(LifecycleNode):
    """Decides on the newest picture what the robot does about the newest instruction."""

    def __init__(
        self, make_pipeline: Callable[[Settings], DecisionMaker] = load_pipeline, **node: Any
    ) -> None:
        """Declare the parameters and advertise; `node` are keyword arguments of rclpy's Node."""
        super().__init__("vlam_node", **node)
        self._make_pipeline = make_pipeline
        self._declared = NodeParameters(self)
        self._reporter = Reporter(self, self._details)
        self._outputs = Outputs(self)
        self._answered = self.create_guard_condition(self._on_answers)
        self._jumps = self.get_clock().create_jump_callback(
            JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1)),
            post_callback=lambda jump: self._time_jumped(),
        )
        # Wall time, also where the node's clock is simulated: a restarted node must be newer.
        # An empty text is no instruction, and has its place in the order all the same.
        self._request = InstructionRequest("", epoch=time.time_ns())
        # Answers of an older generation are not published.
        self._generation = 0
        self._newest: Image | CompressedImage | None = None
        self._worker: Worker[Job, Answer] | None = None

    # --------------------------------------------------------------------------- life cycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Check the parameters, load and warm up the models, subscribe."""
        try:
            self._settings = self._declared.settings()
            self._pipeline = self._make_pipeline(self._settings)
            self._pipeline.warm_up()
        except VlamError as error:
            self._reporter.fail(f"cannot configure: {error}")
            return TransitionCallbackReturn.FAILURE
        except Exception:  # rclpy would end the transition and not say why
            self._reporter.fail(f"cannot configure: {traceback.format_exc()}")
            return TransitionCallbackReturn.FAILURE
        self._inputs = SensorInputs(self, self._settings.camera, self._reporter.complain)
        self._subscribed = [
            self.create_subscription(Image, "image", self._on_image, qos.PICTURE),
            self.create_subscription(
                CompressedImage, "image/compressed", self._on_image, qos.PICTURE
            ),
            self.create_subscription(String, "instruction", self._on_instruction, qos.INSTRUCTION),
        ]
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start to decide."""
        decider = Decider(self._pipeline, self._settings, lambda: self._inputs.latest, self._now)
        self._worker = Worker(decider, self._answered.trigger)
        max_age = self._settings.policy.max_image_age
        self._max_age = round(max_age * 1e9)
        # Four assertions per lease: one that comes late must not stop the robot.
        period = qos.CHUNK_LEASE.nanoseconds / 1e9 / 4
        # Deadlines are on the steady clock: /clock may stand still.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._watchdog = self.create_timer(max_age, self._no_picture, clock=steady)
        self._alive = self.create_timer(period, self._outputs.assert_alive, clock=steady)
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop the robot, then stop deciding. The instruction is forgotten: a robot that is
        activated again waits for a new one.
        """
        self._newest = None
        self._take("")
        self._hold(Reason.NO_INSTRUCTION, "vlam_node was deactivated")
        self._outputs.flush(seconds=0.5)  # the process may be about to end
        self.destroy_timer(self._watchdog)
        self.destroy_timer(self._alive)
        if self._worker is not None:
            self._worker.stop()
            self._worker = None
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give up models and subscriptions."""
        del self._pipeline
        self._inputs.destroy()
        for subscription in self._subscribed:
            self.destroy_subscription(subscription)
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop the robot first, where the node was active."""
        if self._worker is not None:
            self.on_deactivate(state)
        return super().on_shutdown(state)

    # --------------------------------------------------------------------------- in

    def _on_image(self, message: Image | CompressedImage) -> None:
        if self._worker is None:
            return
        stamp = nanoseconds(message.header.stamp)
        if self._newest is not None:
            behind = nanoseconds(self._newest.header.stamp) - stamp
            if behind > self._max_age:
                self._time_jumped()
            elif behind >= 0:  # the same or an older picture, by the other transport
                return
        self._newest = message
        self._reporter.picture()
        self._watchdog.reset()
        self._decide(message)

    def _on_instruction(self, message: String) -> None:
        if self._worker is None:
            self._reporter.complain("instruction ignored: vlam_node is not active")
            return
        self._take(message.data)
        try:
            parse_instruction(message.data)
        except InstructionError as error:
            self._hold(Reason.INSTRUCTION_INVALID, str(error))
        else:
            self._stop_moving("a new instruction came, and no picture was decided on since")
        if self._newest is not None:
            self._decide(self._newest)

    def _take(self, text: str) -> None:
        """A new instruction, newer than any before; nothing under way counts any more."""
        sequence = self._request.sequence + 1
        self._request = replace(self._request, text=text, sequence=sequence)
        self._generation += 1

    def _time_jumped(self) -> None:
        if self._worker is not None:
            self._newest = None
            self._inputs.forget()
            self._generation += 1
            self._stop_moving("time jumped back, and no picture was decided on since")

    def _no_picture(self) -> None:
        if not self._request.text:
            self._hold(Reason.NO_INSTRUCTION, "publish one on instruction")
        else:
            seconds = self._settings.policy.max_image_age
            self._hold(Reason.STALE_SENSOR, f"no picture for {seconds} s: is the camera running?")

    def _decide(self, message: Image | CompressedImage) -> None:
        if self._worker is not None:
            request = self._request if self._request.text else None
            wanted = self._outputs.overlay_wanted
            self._worker.put(Job(message, request, self._generation, wanted))

    # --------------------------------------------------------------------------- out

    def _on_answers(self) -> None:
        for answer in self._worker.answers() if self._worker is not None else ():
            if answer.job.generation == self._generation:
                self._publish(answer)

    def _publish(self, answer: Answer) -> None:
        job, verdict = answer.job, answer.verdict
        if answer.report or verdict.reason is Reason.INTERNAL_ERROR:
            self._reporter.complain(answer.report or verdict.message)
        if answer.decision is None:
            self._publish_hold(verdict, job.stamp)
        else:
            # The pipeline cannot know the order of a request that it is not given.
            chunk = replace(answer.decision.chunk, request=self._request)
            decision = replace(answer.decision, chunk=chunk)
            self._outputs.publish_decision(decision, answer.overlay, job.message.header.frame_id)
        self._reporter.decision(verdict, latency=self._now() - job.stamp)
        # With this a replay can follow the live schedule.
        self.get_logger().debug(
            f"image {job.stamp} decided at {answer.now} for {job.request}: {verdict}"
        )

    def _stop_moving(self, why: str) -> None:
        if self._outputs.moving:
            self._hold(Reason.STALE_SENSOR, why)

    def _hold(self, reason: Reason, message: str) -> None:
        verdict = Verdict(Outcome.HOLD, reason, message)
        self._publish_hold(verdict, self._now())
        self._reporter.decision(verdict)

    def _publish_hold(self, verdict: Verdict, stamp: int) -> None:
        chunk = hold_chunk(self._settings.action, stamp, self._request, verdict)
        self._outputs.publish_chunk(chunk)

    def _details(self) -> Mapping[str, str] | None:
        """For diagnostics; None while not active."""
        if self._worker is None:
            return None
        models = self._pipeline.grounder
        return {
            "pictures passed over": str(self._worker.passed_over),
            **self._inputs.latest.ages(self._now()),
            "model": models.name,
            "device": str(models.device),
            "dtype": str(models.dtype),
            "notes": "; ".join(models.notes),
        }

    def _now(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; returns 0 then."""
    return run_managed(VlamNode, args)


if __name__ == "__main__":
    sys.exit(main())
