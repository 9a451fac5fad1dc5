"""Points of PointCloud2 and LaserScan messages: what there is, where, and when it was measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vlam_ros.errors import SensorError
from vlam_ros.ros.mount import Mount
from vlam_ros.ros.stamps import nanoseconds
from vlam_ros.types import FloatArray, LidarSweep
from vlam_ros.types.observation import SEEING

if TYPE_CHECKING:
    from sensor_msgs.msg import LaserScan, PointCloud2, PointField

Points = npt.NDArray[np.float32]
Times = npt.NDArray[np.float64]

MAX_OFFSET = 1.0
"""s; a point measured longer before or after the header's stamp belongs to another sweep."""
FEW = 11
"""Points of which one may have an odd time: a lost packet or a counter that wrapped."""

_AXES = ("x", "y", "z")
_TIME_FIELDS = ("t", "time", "timestamp", "time_offset", "offset_time", "time_stamp")
# The values of PointField.datatype: INT8, UINT8, …, FLOAT64.
_NUMBERS = dict(enumerate(("i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8"), start=1))
_FLOATS = (7, 8)


def seeing_sweep(
    message: PointCloud2, mount: Mount, min_range: float, max_range: float
) -> LidarSweep:
    """`sweep_from_cloud` of a LiDAR that a robot drives by.

    Raises:
        SensorError: as there, or for no points at all: floor or walls are there to be seen, and
            some drivers leave out what a covered LiDAR cannot measure.
    """
    sweep = sweep_from_cloud(message, mount, min_range, max_range)
    if not len(sweep.points):
        raise SensorError(
            f"a cloud without a point from {min_range:g} to {max_range:g} m: is the LiDAR covered?"
        )
    return sweep


def sweep_from_cloud(
    message: PointCloud2, mount: Mount, min_range: float, max_range: float
) -> LidarSweep:
    """A sweep of the points between two distances from the LiDAR (m), with their times if it tells.

    A few points whose times are not within MAX_OFFSET of its stamp are left out, with a remark.

    Raises:
        SensorError: the cloud cannot be read, all its points are NaN or infinite, next to none is
            beyond `min_range`, or more than a few of its points have such times.
    """
    stamp = nanoseconds(message.header.stamp)
    fields = {f.name: f for f in message.fields}
    clock = next((fields[name] for name in _TIME_FIELDS if name in fields), None)
    cloud = _read(message, fields, clock)
    points = _points(cloud)
    with np.errstate(over="ignore", invalid="ignore"):
        squared = np.einsum("ij,ij->i", points, points)
    # False for NaN and infinity, too.
    kept = (squared >= min_range**2) & (squared <= max_range**2)
    if len(points) and not kept.any() and not np.isfinite(points).all(axis=1).any():
        raise SensorError(f"a cloud of {len(points)} points has no finite point")
    _check_seeing(squared >= min_range**2, "cloud", "points", min_range)
    points = points[kept]
    if clock is None:
        return LidarSweep(stamp, _in_base(points, mount))
    offsets = _offsets(cloud["time"][kept], clock.name, stamp)
    usable = np.abs(offsets) <= MAX_OFFSET  # False for NaN, too
    odd = len(offsets) - np.count_nonzero(usable)
    if not odd:
        return LidarSweep(stamp, _in_base(points, mount), offsets)
    if odd > len(offsets) // FEW:
        raise SensorError(
            f"point times in {clock.name!r} are up to {_farthest(offsets):.6g} s from the stamp of "
            f"their sweep, at most {MAX_OFFSET:g} s are allowed: seconds or nanoseconds expected, "
            "since the stamp or since the epoch"
        )
    remark = f"{odd} of {len(offsets)} points have odd times in {clock.name!r} and are left out"
    return LidarSweep(stamp, _in_base(points[usable], mount), offsets[usable], remark)


def sweep_from_scan(
    message: LaserScan, mount: Mount, min_range: float, max_range: float
) -> LidarSweep:
    """A sweep of the returns between two distances (m) that are in the scan's own limits as well.

    An infinite range is no return (REP-117), and not an error: there may be nothing to see. A
    `time_increment` that makes no sense is not used, with a remark.

    Raises:
        SensorError: next to all ranges are NaN, 0 or too near, or the angles make no sense.
    """
    stamp = nanoseconds(message.header.stamp)
    ranges = np.array(message.ranges, np.float32)
    numbers = (message.angle_min, message.angle_increment)
    if not all(map(math.isfinite, numbers)):
        raise SensorError(
            f"a scan needs finite numbers, got angle_min, angle_increment = {numbers}"
        )
    if len(ranges) and not (ranges > -np.inf).any():
        raise SensorError(f"a scan of {len(ranges)} ranges has no finite point: NaN or too near")
    low = max(min_range, message.range_min)
    _check_seeing(ranges >= low, "scan", "ranges", low)
    high = min(max_range, message.range_max) if message.range_max > 0 else max_range
    kept = np.flatnonzero((ranges >= low) & (ranges <= high))
    angles = message.angle_min + message.angle_increment * kept
    directions = np.column_stack([np.cos(angles), np.sin(angles), np.zeros(len(kept))])
    points = (directions * ranges[kept, None]).astype(np.float32)
    offsets, remark, step = None, "", float(message.time_increment)
    if not abs(step) * max(0, len(ranges) - 1) <= MAX_OFFSET:  # NaN and infinity, too
        remark = f"a time_increment of {step:g} s is not used: its scans are not deskewed"
    elif step != 0:  # 0: the driver does not tell
        offsets = np.asarray(kept * step, np.float64)
    return LidarSweep(stamp, _in_base(points, mount), offsets, remark)


def _check_seeing(far: npt.NDArray[np.bool_], what: str, rays: str, low: float) -> None:
    """SensorError where next to none of the rays of a LiDAR gets as `far` as it measures."""
    if np.count_nonzero(far) < SEEING * len(far):
        raise SensorError(
            f"a {what} of {len(far)} {rays} has {np.count_nonzero(far)} that are {low:g} m or more "
            "away: is the LiDAR covered?"
        )


def finite_points(message: PointCloud2) -> Points:
    """The finite points of a cloud, float32[N,3], in the cloud's frame.

    Raises:
        SensorError: the cloud cannot be read.
    """
    points = _points(_read(message, {f.name: f for f in message.fields}))
    return points[np.isfinite(points).all(axis=1)]


def _read(
    message: PointCloud2, fields: Mapping[str, PointField], clock: PointField | None = None
) -> npt.NDArray[Any]:
    """The points of a cloud, row by row, as an array [N] with fields x, y, z and time."""
    count, row = message.width * message.height, message.width * message.point_step
    # Some drivers leave row_step 0 or give the size of all rows; data without gaps need none.
    row_step = row if len(message.data) == row * message.height else message.row_step
    if row_step < row or len(message.data) != row_step * message.height:
        raise SensorError(
            f"cloud of {message.width}x{message.height} points of {message.point_step} bytes, rows "
            f"of {message.row_step}, does not fit {len(message.data)} bytes: is it cut off?"
        )
    if not count:  # an empty cloud need not say what its points would look like
        return np.zeros(0, [(name, "f4") for name in (*_AXES, "time")])
    used = {name: fields[name] for name in _AXES if name in fields}
    if len(used) < len(_AXES) or any(f.datatype not in _FLOATS for f in used.values()):
        raise SensorError(f"a cloud needs float fields x, y, z, got {sorted(fields)}")
    if clock is not None:
        used["time"] = clock
    formats = {}
    for name, field in used.items():
        number = _NUMBERS.get(field.datatype)
        if number is None or field.offset + int(number[1]) > message.point_step or field.count > 1:
            raise SensorError(
                f"field {field.name!r} of the cloud (datatype {field.datatype}, offset "
                f"{field.offset}, count {field.count}) is no number in a point of "
                f"{message.point_step} bytes"
            )
        formats[name] = (">" if message.is_bigendian else "<") + number
    layout: Any = {
        "names": list(used),
        "formats": list(formats.values()),
        "offsets": [field.offset for field in used.values()],
        "itemsize": message.point_step,
    }
    data = np.frombuffer(message.data, np.uint8).reshape(message.height, row_step)
    return data[:, :row].view(np.dtype(layout)).ravel()


def _points(cloud: npt.NDArray[Any]) -> Points:
    points = np.empty((len(cloud), 3), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # what float32 cannot hold becomes infinite
        for column, name in enumerate(_AXES):
            points[:, column] = cloud[name]
    return points


def _in_base(points: Points, mount: Mount) -> Points:
    rotation, position = mount.rotation.astype(np.float32), mount.position.astype(np.float32)
    return points @ rotation.T + position


def _offsets(values: npt.NDArray[Any], name: str, stamp: int) -> Times:
    """Seconds from the stamp (ns) to the time of each point.

    Integers are nanoseconds since the stamp: no integer of a point field holds the time of day.
    Floats are seconds, if they reach no farther than MAX_OFFSET from the stamp when they are taken
    for that, and else nanoseconds, if they reach to a microsecond or more; in either unit they
    count from the stamp or from the epoch, whichever brings them nearer to the stamp. So only times
    of day in the first seconds after the epoch can be taken for something else. A float32 is never
    a time of day, of which it would hold one to two minutes.
    """
    times = values.astype(np.float64)
    if values.dtype.kind != "f":
        return times * 1e-9
    precise = values.dtype.itemsize > 4
    offsets = _nearer(times, 10**9, stamp, precise)
    if _reach(offsets) > MAX_OFFSET and _reach(times) >= 1000:
        offsets = _nearer(times, 1, stamp, precise)
    if not precise and _reach(offsets) > MAX_OFFSET:
        raise SensorError(
            f"point times in {name!r} are float32 and reach {_farthest(times):.6g}, no time since "
            "the stamp: float32 cannot hold the time of day, publish float64 or relative times"
        )
    return offsets


def _nearer(times: Times, unit: int, stamp: int, epoch: bool) -> Times:
    """Seconds from the stamp (ns) of times in a unit of so many ns, which count from the stamp or,
    if that brings them nearer to it and may be, from the `epoch`.
    """
    scale = unit * 1e-9
    since_stamp = times * scale
    if not epoch:
        return since_stamp
    # In this order nothing is lost of the few bits that a time of day leaves.
    whole = float(stamp // unit)
    since_epoch = (times - whole) * scale - (stamp - int(whole) * unit) * 1e-9
    return min(since_stamp, since_epoch, key=_reach)


def _farthest(offsets: FloatArray) -> float:
    return float(np.abs(offsets).max(initial=0.0))


def _reach(times: FloatArray) -> float:
    """How far from zero the times are but for a few odd ones; zeros say nothing of their unit."""
    distances = np.abs(times[times != 0])
    if not len(distances):
        return 0.0
    last = len(distances) - 1 - len(distances) // FEW
    return float(np.partition(distances, last)[last])
