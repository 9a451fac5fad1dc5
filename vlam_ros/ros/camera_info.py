"""The camera of a `camera_info` topic: intrinsics from the message, extrinsics from the mount."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from vlam_ros.configuration import CameraSettings
from vlam_ros.errors import ImageError
from vlam_ros.ros.mount import Mount, MountSource, TransformSource
from vlam_ros.ros.stamps import nanoseconds, time_message
from vlam_ros.types import Camera, FloatArray
from vlam_ros.types.camera import COEFFICIENTS

if TYPE_CHECKING:
    from sensor_msgs.msg import CameraInfo

_ALIASES = {"fisheye": "equidistant"}


class CameraSource:
    """Makes cameras of the messages of one topic, the same object as long as nothing changes:
    a Camera computes its field of view once.
    """

    def __init__(self, transforms: TransformSource, settings: CameraSettings) -> None:
        self._mounts = MountSource(transforms, settings)
        self._rectified = settings.rectified
        self._last: Camera | None = None

    def __call__(self, message: CameraInfo) -> Camera:
        """The camera of a message.

        Raises:
            ImageError: see `camera_from_message`.
            SensorError: nobody knows where the camera is; see `MountSource.mount`.
        """
        mount = self._mounts.mount(message.header.frame_id, nanoseconds(message.header.stamp))
        camera = camera_from_message(message, mount, self._rectified)
        if self._last is None or not _equal(camera, self._last):
            self._last = camera
        return self._last


def camera_from_message(message: CameraInfo, mount: Mount, rectified: bool = False) -> Camera:
    """The camera that takes the images of a `camera_info`, at their size.

    K and P are for the full resolution; `roi` is a window of it, and the image is that window
    with `binning_x` x `binning_y` pixels in one.

    Args:
        message: zeros for D mean no distortion, for `roi` and binning the full image.
        mount: of the optical frame of the message.
        rectified: the images are rectified: P and no distortion hold for them, and R turns the
            optical frame into that of the rectified image.

    Raises:
        ImageError: not calibrated (fx = 0), an unknown distortion model, the wrong number of
            coefficients, an R that is no rotation, or a window outside of the image.
    """
    k, p = message.k, message.p
    fx, fy, cx, cy = (p[0], p[5], p[2], p[6]) if rectified else (k[0], k[4], k[2], k[5])
    model, distortion = ("plumb_bob", ()) if rectified else _distortion(message)
    rotation = mount.rotation @ _rectification(message).T if rectified else mount.rotation
    left, top, width, height = _window(message)
    binning_x, binning_y = max(1, message.binning_x), max(1, message.binning_y)
    return Camera(
        width=width // binning_x,
        height=height // binning_y,
        fx=float(fx) / binning_x,
        fy=float(fy) / binning_y,
        # A pixel's centre is half a pixel from its edge, of a binned pixel as of a single one.
        cx=(float(cx) - left + 0.5) / binning_x - 0.5,
        cy=(float(cy) - top + 0.5) / binning_y - 0.5,
        rotation=rotation,
        position=mount.position,
        distortion=distortion,
        distortion_model=model,
        frame_id=message.header.frame_id,
    )


def _distortion(message: CameraInfo) -> tuple[str, tuple[float, ...]]:
    coefficients = tuple(float(d) for d in message.d)
    if not any(coefficients):
        return "plumb_bob", ()
    model = _ALIASES.get(message.distortion_model, message.distortion_model)
    if model == "plumb_bob" and len(coefficients) == 4:  # without the third radial one
        coefficients = (*coefficients, 0.0)
    counts = COEFFICIENTS.get(model, (len(coefficients),))
    # Some drivers fill each model up with zeros.
    while len(coefficients) not in (*counts, *range(counts[0])) and coefficients[-1] == 0:
        coefficients = coefficients[:-1]
    return model, coefficients


def _rectification(message: CameraInfo) -> FloatArray:
    r = np.array(message.r, np.float64).reshape(3, 3)
    if not r.any():  # not filled in: a single camera has nothing to be aligned with
        return np.eye(3)
    if not np.allclose(r @ r.T, np.eye(3), atol=1e-3):
        raise ImageError(f"R of camera_info must be a rotation, got {r.round(4).tolist()}")
    return r


def _window(message: CameraInfo) -> tuple[int, int, int, int]:
    roi = message.roi
    if not (roi.width and roi.height):
        return 0, 0, message.width, message.height
    if roi.x_offset + roi.width > message.width or roi.y_offset + roi.height > message.height:
        raise ImageError(
            f"roi of camera_info ({roi.width}x{roi.height} at {roi.x_offset}, {roi.y_offset}) must "
            f"be within the full resolution of {message.width}x{message.height}"
        )
    return roi.x_offset, roi.y_offset, roi.width, roi.height


def _equal(one: Camera, other: Camera) -> bool:
    names = [field.name for field in dataclasses.fields(Camera)]
    return all(np.array_equal(getattr(one, n), getattr(other, n)) for n in names)


def camera_to_message(camera: Camera, stamp: int) -> CameraInfo:
    """Intrinsics as camera_info of an unrectified image; the mount does not fit into it."""
    from sensor_msgs.msg import CameraInfo

    fx, fy, cx, cy = camera.fx, camera.fy, camera.cx, camera.cy
    message = CameraInfo(
        width=camera.width,
        height=camera.height,
        distortion_model="plumb_bob",
        d=list(camera.distortion or (0.0,) * 5),
        k=[fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    )
    message.header.stamp = time_message(stamp)
    message.header.frame_id = camera.frame_id
    return message
