"""vlam_node: images and instructions in, action chunks out.

A managed node: configuring loads and warms up the models, and only an active node decides. It is
a source of `vlam_ros.runtime`: ROS has one thread; inference has another.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from std_msgs.msg import String

from vlam_ros.configuration import Settings
from vlam_ros.errors import ConfigurationError, InstructionError
from vlam_ros.fusion.synchroniser import LOOK_PERIOD
from vlam_ros.interface import CHUNK_LEASE
from vlam_ros.language import parse_instruction
from vlam_ros.policies.registry import policy_kinds
from vlam_ros.ros.image_inputs import ImageInputs
from vlam_ros.ros.images import image_from_message
from vlam_ros.ros.inference import InferenceThread, NodePipeline, decide, describe
from vlam_ros.ros.inputs import SensorInputs
from vlam_ros.ros.managed import ManagedNode, run_managed
from vlam_ros.ros.mount import Transforms
from vlam_ros.ros.outputs import Outputs
from vlam_ros.ros.parameters import NodeParameters
from vlam_ros.ros.reporter import DecisionReporter
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.ros.topics import subscribe
from vlam_ros.runtime import (
    DEPTH_MARGIN,
    MISSES,
    DecisionFailure,
    DecisionJob,
    ImageSelector,
    Result,
    Runtime,
)
from vlam_ros.threads import wait_without_spinning
from vlam_ros.types import Missing, Observation, Outcome, Reason, Uint8Array, Verdict


def load_pipeline(settings: Settings) -> NodePipeline:
    """The pipeline of the settings; the models are imported with it, not with the node."""
    from vlam_ros.pipeline import Pipeline

    return Pipeline.from_settings(settings)


class VlamNode(ManagedNode):
    """Decides on the newest image what the robot does about the newest instruction."""

    def __init__(
        self, make_pipeline: Callable[[Settings], NodePipeline] = load_pipeline, **node: Any
    ) -> None:
        """Declare the parameters and advertise; `node` are keyword arguments of rclpy's Node."""
        super().__init__("vlam_node", **node)
        self._make_pipeline = make_pipeline
        self._declared = NodeParameters(self, Settings, {"policy.kind": policy_kinds})
        self._transforms = Transforms(self)
        self.reporter: DecisionReporter = DecisionReporter(self, self._details)
        self._outputs = Outputs(self)
        self._decided = self.create_guard_condition(self._on_results)
        self._inference: InferenceThread | None = None  # while active
        self._unstamped = 0  # images since the last one that was newer than those before

    # --------------------------------------------------------------------------- life cycle

    def configure(self) -> None:
        """Check the parameters, load and warm up the models, subscribe."""
        self._settings = self._declared.settings()
        verify, simulated = self._settings.policy.verify, self.get_parameter("use_sim_time").value
        if verify != "enforce" and not simulated:
            raise ConfigurationError(
                f"policy.verify: {verify} lets through what the gate refuses, which is for "
                "simulation only (use_sim_time: true): set it to enforce"
            )
        self._pipeline = self._make_pipeline(self._settings)
        self._pipeline.warm_up()
        self._inputs = SensorInputs(
            self, self._settings, self._transforms, self.reporter.report_error, self._on_depth
        )
        self._images = ImageInputs(self, self._on_image)
        wait = round((self._settings.sensors.lidar_wait + DEPTH_MARGIN) * 1e9)
        self._runtime = Runtime(
            self._pipeline,
            self._observe,
            ImageSelector(wait, self._has_depth, misses=MISSES),
            self._settings.policy.max_image_age,
            # Wall time, also where the node's clock is simulated: a restarted node must be newer.
            epoch=time.time_ns(),
        )
        self._subscribed = [
            subscribe(self.create_subscription, "instruction", self._on_instruction),
            subscribe(self.create_subscription, "replan", self._on_replan),
        ]

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start to decide."""
        do = partial(decide, self._runtime, self.now, self._pipeline.attention)
        self._inference = InferenceThread(do, self._decided.trigger)
        # Deadlines are on the steady clock: /clock may stand still.
        self._watchdog = self.steady_timer(self._settings.policy.max_image_age, self._no_image)
        self._clocked = [
            self._watchdog,
            self.steady_timer(LOOK_PERIOD, self._look),
            # Four assertions per lease: one that comes late must not stop the robot.
            self.steady_timer(CHUNK_LEASE / 4, self._outputs.assert_alive),
        ]
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop the robot, then stop deciding. The instruction is forgotten: a robot that is
        activated again waits for a new one.
        """
        self._runtime.reset()
        self._hold(Reason.NO_INSTRUCTION, "vlam_node was deactivated")
        self._outputs.flush(seconds=0.5)  # the process may be about to end
        for timer in self._clocked:
            self.destroy_timer(timer)
        if self._inference is not None:
            self._inference.stop()
            self._inference = None
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
        if self._inference is not None:
            self.on_deactivate(state)
        return super().on_shutdown(state)

    # --------------------------------------------------------------------------- in

    def _on_image(self, message: Any) -> None:
        if self._inference is None:
            return
        stamp = nanoseconds(message.header.stamp)
        self._unstamped += 1  # or the same image, compressed
        if not stamp:
            return
        if self._runtime.jumped_back(stamp):
            self.time_jumped()
        self._inputs.saw_image(stamp)
        if self._runtime.images.put(stamp, message):
            self._unstamped = 0
            self.reporter.image()
            self._watchdog.reset()
            self._look()

    def _on_depth(self, stamp: int) -> None:
        self._runtime.images.depth_came()
        self._look()

    def _look(self) -> None:
        self._put(self._runtime.next(self.now()))

    def _put(self, job: DecisionJob | None) -> None:
        if self._inference is not None and job is not None:
            self._inference.put((job, self._outputs.images_wanted))

    def _on_instruction(self, message: String) -> None:
        if self._inference is None:
            ignored = "instruction ignored: vlam_node is not active"
            self.reporter.report_error(ignored, "instruction")
            return
        if not self._runtime.instruct(message.data):
            return  # said again
        self.reporter.instruction(message.data)
        try:
            parse_instruction(message.data, self._pipeline.lexicon)
        except InstructionError as error:
            self._hold(Reason.INSTRUCTION_INVALID, str(error))
        else:
            self._stop_moving("a new instruction came, and no image was decided on since")
        self._put(self._runtime.again())

    def _on_replan(self, message: String) -> None:
        """The controller missed a part of what it was told: begin the instruction anew."""
        if self._inference is not None and self._runtime.replan():
            self.get_logger().warning(f"the instruction begins anew: {message.data}")
            self._stop_moving(f"{message.data}; no image was decided on since")
            self._put(self._runtime.again())

    def time_jumped(self) -> None:
        """Start anew: nothing that came is of this time."""
        if self._inference is not None:
            self._runtime.reset()
            self._inputs.forget()
            self._stop_moving("time jumped back: say again what to do")

    def _no_image(self) -> None:
        why = f"no image for {self._settings.policy.max_image_age} s: is the camera running?"
        if self._unstamped > 1:
            why = "the stamps of images are 0 or stand still: let the camera's driver stamp them"
            self.reporter.report_error(why, "image")
        if self._runtime.request.is_blank:
            self._hold(Reason.NO_INSTRUCTION, "publish one on instruction")
        else:
            self._hold(Reason.STALE_SENSOR, why)

    def _observe(self, message: Any, stamp: int, now: int) -> Observation:
        image, limits = image_from_message(message), self._settings.sensors
        observation = self._inputs.latest.observation(image, stamp, now, limits)
        if why := self._inputs.unheard:
            return replace(observation, obstacles=Missing(why, lost=True))
        return observation

    def _has_depth(self, stamp: int) -> bool:
        """Whether an image has its depth, or there is nobody to wait for."""
        return not self._inputs.depth_published or self._inputs.latest.has_depth(stamp)

    # --------------------------------------------------------------------------- out

    def _on_results(self) -> None:
        if self._inference is None:
            return
        for result, images in self._inference.results():
            accepted = self._runtime.accept(result)
            if accepted:
                self._publish(result, images)
            if result.inputs is not None:
                published = accepted and not isinstance(result, DecisionFailure)
                inputs = replace(result.inputs, published=published)
                self._outputs.publish_inputs(inputs, result.job.image.header.frame_id)

    def _publish(self, result: Result, images: Mapping[str, Uint8Array]) -> None:
        job, verdict = result.job, result.verdict
        if isinstance(result, DecisionFailure):
            self.reporter.report_error(result.report, "image")
            self._outputs.publish_hold(self._settings.action, job.stamp, job.request, verdict)
            plan = None
        else:
            if verdict.reason is Reason.INTERNAL_ERROR:
                self.reporter.report_error(verdict.message, "image")
            frame_id = job.image.header.frame_id
            self._outputs.publish_decision(result.decision, images, frame_id)
            plan = result.decision.plan
        self.reporter.decision(verdict, self.now() - job.stamp, plan)

    def _stop_moving(self, why: str) -> None:
        if self._outputs.moving:
            self._hold(Reason.STALE_SENSOR, why)

    def _hold(self, reason: Reason, message: str) -> None:
        verdict = Verdict(Outcome.HOLD, reason, message)
        request = self._runtime.request
        self._outputs.publish_hold(self._settings.action, self.now(), request, verdict)
        self.reporter.decision(verdict)

    def _details(self) -> Mapping[str, str] | None:
        """For diagnostics; None while not active."""
        if self._inference is None:
            return None
        if self._inputs.depth_published and (wrong := self._inputs.latest.unannounced()):
            self.reporter.report_error(f"camera_info: {wrong}", "camera_info")
        passed_over = self._runtime.images.passed_over + self._inference.passed_over
        return {
            "images passed over": str(passed_over),
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
