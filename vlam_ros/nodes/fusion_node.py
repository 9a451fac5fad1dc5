"""fusion_node: LiDAR, IMU, odometry and depth camera in; out what they know of each image.

For every `camera_info` it publishes, with that stamp, the depth image registered to the image,
the robot's attitude, the floor and the obstacles, each if there is anything to say. An image that
is here before its LiDAR sweep waits for it, but not longer than `sensors.lidar_wait`.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

from vlam_ros.configuration import FusionNodeSettings, FusionSettings, SensorSettings
from vlam_ros.fusion import SensorFusion, densify
from vlam_ros.fusion.synchroniser import LOOK_PERIOD, STAMPS_KEPT, Synchroniser
from vlam_ros.ros import fused
from vlam_ros.ros.announced import AnnouncedImage
from vlam_ros.ros.images import depth_to_message
from vlam_ros.ros.inputs import FusionInputs
from vlam_ros.ros.managed import ManagedNode, run_managed
from vlam_ros.ros.mount import Transforms
from vlam_ros.ros.parameters import NodeParameters
from vlam_ros.ros.reporter import SensorReporter
from vlam_ros.ros.topics import advertise
from vlam_ros.types import DepthImage, Missing

JUMP = 1_000_000_000
"""ns; an image that much older than the newest one is not late: its clock jumped back."""


class FusionNode(ManagedNode):
    """Feeds a SensorFusion and asks it about every image."""

    def __init__(
        self,
        make_fusion: Callable[[SensorSettings, FusionSettings], SensorFusion] = SensorFusion,
        **node: Any,
    ) -> None:
        """Declare the parameters and advertise; `node` are keyword arguments of rclpy's Node."""
        super().__init__("fusion_node", **node)
        self._make_fusion = make_fusion
        self._declared = NodeParameters(self, FusionNodeSettings)
        self._transforms = Transforms(self)
        self.reporter: SensorReporter = SensorReporter(self, self._states, self._details)
        create = self.create_lifecycle_publisher
        self._attitudes = advertise(create, "attitude")
        self._floors = advertise(create, "floor")
        self._obstacles = advertise(create, "obstacles")
        self._depths = advertise(create, "depth")
        self._dense = advertise(create, "~/depth_dense")
        self._inputs: FusionInputs | None = None  # while active

    # --------------------------------------------------------------------------- life cycle

    def configure(self) -> None:
        """Check the parameters."""
        self._settings = self._declared.settings()

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start to listen, and to look at what waits."""
        settings = self._settings
        wait = round(settings.sensors.lidar_wait * 1e9)
        self._waiting: Synchroniser[AnnouncedImage] = Synchroniser(wait, STAMPS_KEPT)
        self._newest: int | None = None
        self._published = 0
        self._fusion = self._make_fusion(settings.sensors, settings.fusion)
        self._inputs = FusionInputs(
            self,
            settings,
            self._transforms,
            self._fusion,
            self.reporter,
            self._on_image,
            self._look,
        )
        # On the steady clock: the sensors may have fallen silent, and /clock may stand still.
        self._looking = self.steady_timer(LOOK_PERIOD, self._look)
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop to listen. All that was measured is forgotten."""
        if self._inputs is not None:
            self._inputs.destroy()
            self._inputs = None
            self.destroy_timer(self._looking)
        return super().on_deactivate(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop to listen, where the node was active."""
        if self._inputs is not None:
            self.on_deactivate(state)
        return super().on_shutdown(state)

    def time_jumped(self) -> None:
        """Start anew: nothing that came is of this time."""
        if self._inputs is not None:
            self._inputs.forget()
            self._forget_images()

    # --------------------------------------------------------------------------- in

    def _on_image(self, image: AnnouncedImage) -> None:
        if self._newest is not None and image.stamp <= self._newest:
            if self._newest - image.stamp < JUMP:
                return  # twice, or late
            self._forget_images()
        self._newest = image.stamp
        self._waiting.put(image.stamp, image)

    def _forget_images(self) -> None:
        self._waiting.clear()
        self._newest = None

    # --------------------------------------------------------------------------- out

    def _look(self) -> None:
        """Publish what there is for the images that need not wait any longer."""
        if self._inputs is None:
            return
        for _, image in self._waiting.due(self.now(), self._fusion.ready):
            try:
                self._publish(image)
            except Exception:  # the next image may fare better
                self.reporter.report_error(f"nothing for an image: {traceback.format_exc()}")

    def _publish(self, image: AnnouncedImage) -> None:
        stamp, fusion = image.stamp, self._fusion
        attitude, floor = fusion.attitude(stamp), fusion.floor(stamp)
        obstacles = fusion.obstacles(stamp, image.camera)
        if not isinstance(attitude, Missing):
            self._attitudes.publish(fused.attitude_to_message(attitude))
        if not isinstance(floor, Missing):
            self._floors.publish(fused.floor_to_message(floor))
        if not isinstance(obstacles, Missing):
            self._obstacles.publish(fused.obstacles_to_message(obstacles))
        elif obstacles.lost:
            self._obstacles.publish(fused.unseen_to_message(stamp))
        # Last: whoever waits for its depth will look at the others then.
        depth = fusion.depth(stamp, image.camera)
        if not isinstance(depth, Missing):
            self._publish_depth(depth, image.frame_id)

    def _publish_depth(self, depth: DepthImage, frame_id: str) -> None:
        self._depths.publish(depth_to_message(depth, frame_id))
        self._published += 1
        if self._dense.get_subscription_count() > 0:
            dense = DepthImage(depth.stamp, densify(depth.depth))
            self._dense.publish(depth_to_message(dense, frame_id))

    def _states(self) -> Mapping[str, str] | None:
        """For diagnostics; None while not active."""
        return None if self._inputs is None else self._inputs.states(self.now())

    def _details(self) -> Mapping[str, str]:
        return {
            "depth images published": str(self._published),
            "images passed over": str(self._waiting.passed_over),
        }


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; returns 0 then."""
    return run_managed(FusionNode, args)


if __name__ == "__main__":
    sys.exit(main())
