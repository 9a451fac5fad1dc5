"""vlam_node: pictures and instructions in, action chunks out.

A managed node: configuring loads and warms up the models, and only an active node decides. ROS
has one thread; inference has another, which always takes the newest picture (`ros/mailbox.py`).
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
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
from vlam_ros.ros.diagnostics import DecisionStatistics
from vlam_ros.ros.inputs import SensorInputs
from vlam_ros.ros.mailbox import Worker
from vlam_ros.ros.outputs import Outputs
from vlam_ros.ros.parameters import NodeParameters
from vlam_ros.ros.run import run_managed
from vlam_ros.ros.stamps import nanoseconds, time_message
from vlam_ros.types import InstructionRequest, Outcome, Reason, Verdict

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


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
        # Deadlines are on the steady clock: /clock may stand still.
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._statistics = DecisionStatistics(self._steady.now().nanoseconds)
        self._outputs = Outputs(self)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", qos.OUTPUT)
        self.create_timer(1.0, self._report, clock=self._steady)
        self._answered = self.create_guard_condition(self._on_answers)
        self._jumps = self.get_clock().create_jump_callback(
            JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1)),
            post_callback=lambda jump: self._time_jumped(),
        )
        # Wall time, also where the node's clock is simulated: a restarted node must be newer.
        self._epoch, self._sequence = time.time_ns(), 0
        self._request: InstructionRequest | None = None
        # Answers of an older generation are not published.
        self._generation = 0
        self._newest: Image | CompressedImage | None = None
        self._worker: Worker[Job, Answer] | None = None

    # --------------------------------------------------------------------------- life cycle

    def autostart(self) -> None:
        """Configure and activate, if the parameter says so and as far as it goes."""
        if self.get_parameter("autostart").value and self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Check the parameters, load and warm up the models, subscribe."""
        try:
            self._settings = self._declared.settings()
            self._pipeline = self._make_pipeline(self._settings)
            self._pipeline.warm_up()
        except VlamError as error:
            self.get_logger().error(f"cannot configure: {error}")
            return FAILURE
        except Exception:  # rclpy would end the transition and not say why
            self.get_logger().error(f"cannot configure:\n{traceback.format_exc()}")
            return FAILURE
        self._inputs = SensorInputs(self, self._settings.camera, self._complain)
        self._subscribed = [
            self.create_subscription(Image, "image", self._on_image, qos.PICTURE),
            self.create_subscription(
                CompressedImage, "image/compressed", self._on_image, qos.PICTURE
            ),
            self.create_subscription(
                String, "instruction", self._on_instruction, qos.INSTRUCTION
            ),
        ]
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start to decide."""
        decider = Decider(
            self._pipeline, self._settings, lambda: self._inputs.latest, self._now
        )
        self._worker = Worker(decider, self._answered.trigger)
        max_age = self._settings.policy.max_image_age
        self._max_age = round(max_age * 1e9)
        # Four assertions per lease: one that comes late must not stop the robot.
        lease = qos.CHUNK_LEASE.nanoseconds / 1e9
        self._watchdog = self.create_timer(max_age, self._no_picture, clock=self._steady)
        self._alive = self.create_timer(
            lease / 4, self._outputs.assert_alive, clock=self._steady
        )
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop the robot, then stop deciding. The instruction is forgotten: a robot that is
        activated again waits for a new one."""
        self._request = self._newest = None
        self._hold(Reason.NO_INSTRUCTION, "vlam_node was deactivated")
        self._outputs.flush(seconds=0.5)  # the process may be about to end
        self._generation += 1
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
        self._statistics.picture(self._steady.now().nanoseconds)
        self._watchdog.reset()
        self._decide(message)

    def _on_instruction(self, message: String) -> None:
        if self._worker is None:
            self._complain("instruction ignored: vlam_node is not active")
            return
        self._sequence += 1
        self._request = InstructionRequest(message.data, self._epoch, self._sequence)
        try:
            parse_instruction(message.data)
        except InstructionError as error:
            self._generation += 1
            self._hold(Reason.INSTRUCTION_INVALID, str(error))
            return
        self._cancel("a new instruction came, and no picture was decided on since")
        if self._newest is not None:
            self._decide(self._newest)

    def _time_jumped(self) -> None:
        if self._worker is not None:
            self._newest = None
            self._inputs.forget()
            self._cancel("time jumped back, and no picture was decided on since")

    def _no_picture(self) -> None:
        if self._request is None:
            self._hold(Reason.NO_INSTRUCTION, "publish one on instruction")
        else:
            seconds = self._settings.policy.max_image_age
            self._hold(Reason.STALE_SENSOR, f"no picture for {seconds} s: is the camera running?")

    def _decide(self, message: Image | CompressedImage) -> None:
        if self._worker is not None:
            wanted = self._outputs.overlay_wanted
            self._worker.put(Job(message, self._request, self._generation, wanted))

    # --------------------------------------------------------------------------- out

    def _on_answers(self) -> None:
        for answer in self._worker.answers() if self._worker is not None else ():
            if answer.job.generation == self._generation:
                self._publish(answer)

    def _publish(self, answer: Answer) -> None:
        job, verdict = answer.job, answer.verdict
        if answer.report:
            self._complain(answer.report)
        if answer.decision is None:
            self._publish_hold(verdict, job.stamp, job.request)
        else:
            camera_frame = job.message.header.frame_id
            self._outputs.publish_decision(answer.decision, answer.overlay, camera_frame)
        latency = self._now() - job.stamp
        self._statistics.decision(self._steady.now().nanoseconds, verdict, latency)
        # With this a replay can follow the live schedule.
        self.get_logger().debug(
            f"image {job.stamp} decided at {answer.now} for {job.request}: {verdict}"
        )

    def _cancel(self, why: str) -> None:
        """Nothing under way counts any more; a robot in motion stops at once."""
        self._generation += 1
        if self._outputs.moving:
            self._hold(Reason.STALE_SENSOR, why)

    def _hold(self, reason: Reason, message: str) -> None:
        verdict = Verdict(Outcome.HOLD, reason, message)
        self._publish_hold(verdict, self._now(), self._request)
        self._statistics.decision(self._steady.now().nanoseconds, verdict)

    def _publish_hold(
        self, verdict: Verdict, stamp: int, request: InstructionRequest | None
    ) -> None:
        request = request or InstructionRequest("", self._epoch, 0)
        self._outputs.publish_chunk(hold_chunk(self._settings.action, stamp, request, verdict))

    def _complain(self, message: str) -> None:
        self._statistics.error(self._steady.now().nanoseconds, message.splitlines()[-1])
        self.get_logger().warning(message, throttle_duration_sec=2.0)

    def _report(self) -> None:
        now, active = self._now(), self._worker is not None
        status = self._statistics.status(
            self._steady.now().nanoseconds,
            name=f"{self.get_name()}: decisions",
            passed_over=self._worker.passed_over if self._worker is not None else 0,
            further=self._inputs.latest.ages(now) if active else {"active": "no"},
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = time_message(now)
        self._diagnostics.publish(message)

    def _now(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; returns 0 then."""
    return run_managed(VlamNode, VlamNode.autostart, args)


if __name__ == "__main__":
    sys.exit(main())
