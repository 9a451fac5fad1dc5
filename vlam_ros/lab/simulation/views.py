"""Images of a simulation: the robot's own camera, its labels, and the overview for films."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vlam_ros.lab.simulation.engine import mujoco
from vlam_ros.lab.simulation.robot_mjcf import ROBOT_GROUP, ROD_GROUP, UPPER_GROUP

_ROD_SEEN = 0.05
"""m by which the tool is lowered when the camera begins to draw it; higher up it sees it not."""


class Views:
    """The renderers of one model, each made when it is first needed."""

    def __init__(self, model: Any, data: Any, width: int, height: int) -> None:
        self._model, self._data = model, data
        self._size = (width, height)
        self._lift = int(model.joint("arm_lift").qposadr[0])
        self._renderers: dict[tuple[int, int], Any] = {}

    def close(self) -> None:
        """Give the GL contexts back."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()

    def image(self) -> npt.NDArray[np.uint8]:
        """What the robot's camera sees: uint8[H,W,3] RGB."""
        renderer = self._renderer(*self._size)
        renderer.update_scene(self._data, camera="camera", scene_option=self._own())
        return np.array(renderer.render())

    def labels(self) -> npt.NDArray[np.int32]:
        """The ids int32[H,W] of the geoms in the image, -1 for none."""
        renderer = self._renderer(*self._size)
        renderer.enable_segmentation_rendering()
        renderer.update_scene(self._data, camera="camera", scene_option=self._own())
        segments = np.array(renderer.render()[..., 0], np.int32)
        renderer.disable_segmentation_rendering()
        return segments

    def overview(self, width: int, height: int) -> npt.NDArray[np.uint8]:
        """The robot and what is ahead of it from aside: uint8[H,W,3] RGB."""
        renderer = self._renderer(width, height)
        option = mujoco.MjvOption()
        option.geomgroup[[UPPER_GROUP, ROBOT_GROUP, ROD_GROUP]] = 1
        renderer.update_scene(self._data, camera="overview", scene_option=option)
        return np.array(renderer.render())

    def _own(self) -> Any:
        """The robot's body is not in its images, but for the tool when it is lowered."""
        option = mujoco.MjvOption()
        option.geomgroup[[UPPER_GROUP, ROBOT_GROUP]] = 0
        option.geomgroup[ROD_GROUP] = self._data.qpos[self._lift] > _ROD_SEEN
        return option

    def _renderer(self, width: int, height: int) -> Any:
        if (width, height) not in self._renderers:
            screen = self._model.vis.global_
            screen.offwidth = max(width, screen.offwidth)
            screen.offheight = max(height, screen.offheight)
            self._renderers[width, height] = mujoco.Renderer(self._model, height, width)
        return self._renderers[width, height]
