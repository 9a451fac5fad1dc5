"""Sweeps from PointCloud2 and LaserScan in every layout, and what must be refused."""

from __future__ import annotations

import array
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sensor_msgs.msg import LaserScan, PointCloud2, PointField

from vlam_ros.errors import SensorError
from vlam_ros.ros.clouds import finite_points, seeing_sweep, sweep_from_cloud, sweep_from_scan
from vlam_ros.ros.mount import Mount
from vlam_ros.ros.stamps import time_message
from vlam_ros.types import LidarSweep

HERE = Mount(np.eye(3), np.zeros(3))
STAMP = 1_700_000_000_123_456_789
NUMBERS = {"i1": 1, "u1": 2, "i2": 3, "u2": 4, "i4": 5, "u4": 6, "f4": 7, "f8": 8}
POINTS = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [-7.0, 8.5, 0.25], [0.5, -0.5, 1.5]])


def cloud(
    points: npt.ArrayLike = POINTS,
    times: tuple[str, str, npt.ArrayLike] | None = None,
    number: str = "f4",
    height: int = 1,
    big_endian: bool = False,
    row_padding: int = 0,
    stamp: int = STAMP,
) -> PointCloud2:
    """A cloud with z before x before y, gaps between them, and times (name, number, values)."""
    points = np.asarray(points, np.float64).reshape(-1, 3)
    order, size = (">" if big_endian else "<"), int(number[1])
    names, numbers = list("zxy"), [number] * 3
    offsets = [1, 1 + size, 8 + 2 * size]
    if times is not None:
        names, numbers, offsets = [*names, times[0]], [*numbers, times[1]], [*offsets, 40]
    formats = [order + n for n in numbers]
    layout: Any = {"names": names, "formats": formats, "offsets": offsets, "itemsize": 53}
    rows = np.zeros(len(points), np.dtype(layout))
    for name, column in zip("xyz", points.T, strict=True):
        rows[name] = column
    if times is not None:
        rows[times[0]] = times[2]
    data = np.frombuffer(rows.tobytes(), np.uint8).reshape(height, -1)
    padded = np.hstack([data, np.full((height, row_padding), 0xEE, np.uint8)])
    message = PointCloud2(height=height, width=len(points) // height, point_step=53)
    message.row_step, message.is_bigendian = padded.shape[1], big_endian
    message.header.stamp = time_message(stamp)
    message.data = array.array("B", padded.tobytes())
    message.fields = [
        PointField(name=name, offset=offset, datatype=NUMBERS[n], count=1)
        for name, n, offset in zip(names, numbers, offsets, strict=True)
    ]
    return message


def sweep(message: PointCloud2, near: float = 0.0, far: float = 100.0) -> LidarSweep:
    return sweep_from_cloud(message, HERE, near, far)


def offsets(got: LidarSweep) -> npt.NDArray[np.float64]:
    assert got.offsets is not None
    assert got.offsets.dtype == np.float64
    return got.offsets


# ------------------------------------------------------------------------------ layout


@pytest.mark.parametrize("row_padding", [0, 5])
@pytest.mark.parametrize("height", [1, 2])
@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("number", ["f4", "f8"])
def test_offsets_byte_order_rows_and_precision_are_those_of_the_message(
    number: str, big_endian: bool, height: int, row_padding: int
) -> None:
    times = ("t", "u4", [0, 10_000_000, 20_000_000, 30_000_000])
    got = sweep(cloud(POINTS, times, number, height, big_endian, row_padding))
    assert got.points.dtype == np.float32
    np.testing.assert_array_equal(got.points, POINTS)
    np.testing.assert_allclose(offsets(got), [0, 0.01, 0.02, 0.03], atol=1e-12)
    assert got.stamp == STAMP


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("number", ["f4", "f8"])
def test_points_that_are_not_finite_are_dropped_with_their_times(number: str, bad: float) -> None:
    points = POINTS.copy()
    points[1, 2] = bad
    message = cloud(points, ("t", "u4", [1, 2, 3, 4]), number)
    got = sweep(message)
    np.testing.assert_array_equal(got.points, POINTS[[0, 2, 3]])
    np.testing.assert_allclose(offsets(got), [1e-9, 3e-9, 4e-9], atol=1e-15)
    np.testing.assert_array_equal(finite_points(message), POINTS[[0, 2, 3]])


def test_ranges_are_distances_from_the_lidar_before_it_is_mounted() -> None:
    mount = Mount(np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), np.array([10.0, 0.0, 0.5]))
    message = cloud([[0.09, 0, 0], [0.3, 0.4, 0.0], [3, 4, 0], [0, 0, 5.1]])
    got = sweep_from_cloud(message, mount, 0.1, 5.0)
    np.testing.assert_allclose(got.points, [[9.6, 0.3, 0.5], [6, 3, 0.5]], atol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_cloud_without_any_finite_point_is_refused(bad: float) -> None:
    with pytest.raises(SensorError, match="4 points has no finite point"):
        sweep(cloud(np.full((4, 3), bad)))


def test_a_cloud_with_points_out_of_range_only_is_an_empty_sweep() -> None:
    got = sweep(cloud(np.full((4, 3), 60.0), ("t", "u4", [1, 2, 3, 4])), far=100.0)
    assert (got.points.shape, offsets(got).shape) == ((0, 3), (0,))


@pytest.mark.parametrize("what", ["nothing", "NaN", "the hood", "noise"])
def test_a_covered_lidar_is_refused(what: str) -> None:
    """Drivers say 0 or NaN where nothing came back."""
    points = np.zeros((400, 3))
    points[:200] = {"NaN": np.nan, "the hood": 0.05}.get(what, 0.0)
    points[:3] = {"noise": 5.0}.get(what, 0.0)
    with pytest.raises(SensorError, match=r"400 points has [03] that are 0\.1 m or more away"):
        sweep(cloud(points), near=0.1)
    points[:4] = 5.0
    assert len(sweep(cloud(points), near=0.1).points) == 4


def test_a_lidar_that_a_robot_drives_by_must_see_something() -> None:
    """Many drivers leave out what did not come back."""
    for points in (np.zeros((0, 3)), np.full((4, 3), 60.0)):
        with pytest.raises(SensorError, match=r"without a point from 0\.1 to 50 m"):
            seeing_sweep(cloud(points), HERE, 0.1, 50.0)
    assert len(seeing_sweep(cloud([[3.0, 0.0, 0.0]]), HERE, 0.1, 50.0).points) == 1


def test_an_empty_cloud_is_an_empty_sweep() -> None:
    got = sweep(cloud(np.zeros((0, 3)), ("t", "u4", [])))
    assert (got.points.shape, offsets(got).shape) == ((0, 3), (0,))
    assert sweep(PointCloud2()).points.shape == (0, 3)


@pytest.mark.parametrize("row_step", [0, 1, 4 * 53, 1000])
@pytest.mark.parametrize("height", [1, 2, 4])
def test_whatever_row_step_says_points_without_gaps_are_read(height: int, row_step: int) -> None:
    message = cloud(height=height)
    message.row_step = row_step
    np.testing.assert_array_equal(sweep(message).points, POINTS)
    np.testing.assert_array_equal(finite_points(message), POINTS)


@pytest.mark.parametrize(
    ("row_step", "length"), [(210, 210), (212, 213), (212, 106), (0, 211), (0, 0)]
)
def test_a_cloud_cut_off_is_refused(row_step: int, length: int) -> None:
    message = cloud()
    message.row_step, message.data = row_step, array.array("B", bytes(length))
    with pytest.raises(SensorError, match="is it cut off"):
        sweep(message)


@pytest.mark.parametrize(
    ("field", "change", "said"),
    [
        (0, {"datatype": PointField.INT32}, "float fields x, y, z"),
        (1, {"name": "azimuth"}, "float fields x, y, z"),
        (2, {"offset": 50}, r"'y' of the cloud \(datatype 7, offset 50, count 1\)"),
        (3, {"offset": 50}, r"'t' of the cloud .* no number in a point of 53 bytes"),
        (3, {"count": 2}, "count 2"),
        (3, {"datatype": 9}, "datatype 9"),
    ],
)
def test_fields_that_cannot_be_read_are_refused(
    field: int, change: dict[str, Any], said: str
) -> None:
    message = cloud(times=("t", "u4", 0))
    for name, value in change.items():
        setattr(message.fields[field], name, value)
    with pytest.raises(SensorError, match=said):
        sweep(message)


# ------------------------------------------------------------------------------ times


def test_without_a_time_field_the_lidar_does_not_tell() -> None:
    assert sweep(cloud()).offsets is None


@pytest.mark.parametrize(
    "name", ["t", "time", "timestamp", "time_offset", "offset_time", "time_stamp"]
)
def test_times_are_found_under_every_usual_name(name: str) -> None:
    got = sweep(cloud(times=(name, "u4", [0, 1000, 2000, 3000])))
    np.testing.assert_allclose(offsets(got), [0, 1e-6, 2e-6, 3e-6], atol=1e-12)


OFFSETS = np.array([0.0, 0.099, 0.033, 0.033])
TENTH = round(1e8)


@pytest.mark.parametrize("stamp", [STAMP, 7_250_000_000, 86_400 * 10**9], ids=lambda s: f"at{s}")
@pytest.mark.parametrize("shift", [0.0, -0.05, -0.099])
@pytest.mark.parametrize(
    ("number", "unit", "absolute", "accuracy"),
    [
        ("f4", 1.0, False, 1e-8),
        ("f4", 1e9, False, 1e-8),
        ("f8", 1.0, False, 1e-15),
        ("f8", 1e9, False, 1e-15),
        ("f8", 1.0, True, 3e-7),  # what 52 bits leave of the time of day
        ("f8", 1e9, True, 3e-7),
        ("i4", 1e9, False, 1e-9),
    ],
)
def test_unit_and_origin_of_times_follow_from_their_size(
    number: str, unit: float, absolute: bool, accuracy: float, shift: float, stamp: int
) -> None:
    expected = OFFSETS + shift
    if absolute and unit == 1.0:
        values = np.array([float(stamp // 10**9) + (stamp % 10**9 / 1e9 + o) for o in expected])
    elif absolute:
        values = np.array([float(stamp + round(o * 1e9)) for o in expected])
    else:
        values = expected * unit
    got = sweep(cloud(times=("time", number, values), stamp=stamp))
    np.testing.assert_allclose(offsets(got), expected, atol=accuracy, rtol=0)


@pytest.mark.parametrize(
    ("number", "value", "expected"),
    [
        ("f8", 0.0, 0.0),
        ("f8", 0.05, 0.05),
        ("f8", 5e7, 0.05),
        ("f8", 1_700_000_000.2, 0.2 - 0.123456789),
        ("f8", 1_700_000_000.2e9, 0.2 - 0.123456789),
        ("f4", 5e7, 0.05),
        ("u4", 50_000_000, 0.05),
    ],
)
def test_equal_times_are_fine(number: str, value: float, expected: float) -> None:
    got = sweep(cloud(times=("t", number, np.full(4, value))))
    np.testing.assert_allclose(offsets(got), np.full(4, expected), atol=3e-7)


@pytest.mark.parametrize(
    ("number", "values"),
    [
        ("u4", [0, 0, 0, 1_000_000_001]),
        ("f8", [0.0, 0.1, 0.2, 1.1]),
        ("f8", [0.0, 0.1, 0.2, math.nan]),
        ("f8", [0.0, 0.1, 0.2, math.inf]),
        ("f8", np.full(4, STAMP / 1e9 - 1.1)),
        ("f8", np.full(4, STAMP + 1.1e9)),
        ("f8", [0.0, 1e8, 2e8, STAMP]),
    ],
)
def test_times_a_second_away_from_the_stamp_are_refused(number: str, values: npt.ArrayLike) -> None:
    with pytest.raises(SensorError, match=r"point times in 't' are up to .* at most 1 s"):
        sweep(cloud(times=("t", number, values)))


LINE = np.linspace((1.0, 0.0, 0.0), (3.0, 1.0, 0.5), 200)
SPREAD = np.linspace(0.0, 0.1, 200)
WRAPPED = (2**32 - 5000) * 1e-9


@pytest.mark.parametrize("count", [1, 5, 18])
@pytest.mark.parametrize(
    ("number", "unit", "since", "odd"),
    [
        ("u4", 1e9, 0, WRAPPED),
        ("u4", 1e9, 0, 3.604361924),
        ("i4", 1e9, 0, -2.1),
        ("f4", 1.0, 0, 3.6),
        ("f4", 1.0, 0, math.nan),
        ("f4", 1.0, 0, 5e8),
        ("f4", 1e9, 0, WRAPPED),
        ("f8", 1.0, 0, -1e18),
        ("f8", 1.0, 0, math.inf),
        ("f8", 1.0, 1_700_000_000, -1_700_000_000.0),
        ("f8", 1e9, 0, 1.7e9),
        ("f8", 1e9, 1_700_000_000, -1_700_000_000.0),
    ],
)
def test_a_few_points_with_odd_times_are_left_out_with_a_remark(
    number: str, unit: float, since: int, odd: float, count: int
) -> None:
    values = SPREAD.copy()
    values[7 : 7 + count] = odd
    got = sweep(cloud(LINE, ("time", number, (values + since) * unit), stamp=since * 10**9))
    usable = np.delete(np.arange(200), np.s_[7 : 7 + count])
    np.testing.assert_allclose(got.points, LINE[usable], atol=1e-6)
    np.testing.assert_allclose(offsets(got), SPREAD[usable], atol=3e-7)
    assert got.remark == f"{count} of 200 points have odd times in 'time' and are left out"


def test_a_sweep_with_many_odd_times_is_refused_and_an_ordinary_one_has_no_remark() -> None:
    values = SPREAD * 1e9
    assert sweep(cloud(LINE, ("t", "u4", values))).remark == ""
    values[:19] = 4e9
    with pytest.raises(SensorError, match=r"up to 4 s from the stamp"):
        sweep(cloud(LINE, ("t", "u4", values)))


def test_times_that_are_mostly_zero_keep_the_unit_of_the_others() -> None:
    values = np.zeros(200)
    values[190:] = 5e7
    got = sweep(cloud(LINE, ("t", "f4", values)))
    np.testing.assert_allclose(offsets(got)[[0, 199]], [0.0, 0.05], atol=1e-8)


@pytest.mark.parametrize("values", [np.full(4, 1.7e9), np.full(4, 1.7e18)])
def test_the_time_of_day_in_float32_is_refused(values: npt.ArrayLike) -> None:
    with pytest.raises(SensorError, match="float32 cannot hold the time of day"):
        sweep(cloud(times=("t", "f4", values)))


def test_times_of_points_that_are_dropped_do_not_matter() -> None:
    points = POINTS.copy()
    points[3] = np.nan
    got = sweep(cloud(points, ("timestamp", "f8", [STAMP, STAMP, STAMP, 0.0])))
    np.testing.assert_allclose(offsets(got), 0, atol=3e-7)


def test_a_livox_cloud_has_its_times_of_day_where_no_number_is_aligned() -> None:
    """livox_ros_driver2 with xfer_format 0: x, y, z, intensity, tag, line, timestamp (ns)."""
    layout: Any = {"names": ["x", "y", "z", "timestamp"], "formats": ["<f4"] * 3 + ["<f8"],
                   "offsets": [0, 4, 8, 18], "itemsize": 26}  # fmt: skip
    rows = np.zeros(4, np.dtype(layout))
    rows["x"], rows["y"], rows["z"] = POINTS.T
    rows["timestamp"] = [STAMP + i * 1e6 for i in range(4)]
    message = PointCloud2(height=1, width=4, point_step=26, row_step=104)
    message.header.stamp = time_message(STAMP)
    message.fields = [
        PointField(name=name, offset=offset, datatype=datatype, count=1)
        for name, offset, datatype in (
            ("x", 0, 7),
            ("y", 4, 7),
            ("z", 8, 7),
            ("intensity", 12, 7),
            ("tag", 16, 2),
            ("line", 17, 2),
            ("timestamp", 18, 8),
        )
    ]
    message.data = array.array("B", rows.tobytes())
    got = sweep(message)
    np.testing.assert_array_equal(got.points, POINTS)
    np.testing.assert_allclose(offsets(got), [0.0, 1e-3, 2e-3, 3e-3], atol=3e-7)


# ------------------------------------------------------------------------------ scans


def scan(ranges: list[float], **changes: Any) -> LaserScan:
    message = LaserScan(ranges=ranges, angle_min=-math.pi / 2, angle_increment=math.pi / 2)
    message.range_min, message.range_max = 0.1, 30.0
    message.header.stamp = time_message(STAMP)
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def test_a_scan_turns_counter_clockwise_from_angle_min() -> None:
    mount = Mount(np.eye(3), np.array([0.2, 0.0, 0.3]))
    got = sweep_from_scan(scan([1.0, 2.0, 3.0], time_increment=0.01), mount, 0.0, 100.0)
    np.testing.assert_allclose(
        got.points, [[0.2, -1, 0.3], [2.2, 0, 0.3], [0.2, 3, 0.3]], atol=1e-6
    )
    np.testing.assert_allclose(offsets(got), [0, 0.01, 0.02], atol=1e-8)
    assert got.points.dtype == np.float32


def test_returns_beyond_the_limits_of_scan_and_settings_are_dropped_with_their_times() -> None:
    ranges = [0.05, 0.15, 1.0, math.nan, math.inf, -math.inf, 9.0, 31.0]
    message = scan(ranges, time_increment=0.001)
    got = sweep_from_scan(message, HERE, 0.0, 100.0)
    np.testing.assert_allclose(offsets(got), [0.001, 0.002, 0.006], atol=1e-8)
    got = sweep_from_scan(message, HERE, 0.5, 5.0)
    np.testing.assert_allclose(offsets(got), [0.002], atol=1e-8)


def test_a_scan_that_does_not_tell_its_increment_has_no_times() -> None:
    assert sweep_from_scan(scan([1.0]), HERE, 0.0, 100.0).offsets is None


def test_a_scan_of_an_open_field_is_an_empty_sweep() -> None:
    for ranges in ([], [math.inf] * 8):
        assert sweep_from_scan(scan(ranges), HERE, 0.0, 100.0).points.shape == (0, 3)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (scan([math.nan] * 8), "8 ranges has no finite point"),
        (scan([math.nan, -math.inf]), "no finite point"),
        (scan([0.0] * 8), "8 ranges has 0 that are 0.1 m or more away"),
        (scan([0.05, math.nan, -math.inf, 0.0]), "4 ranges has 0 that are"),
        (scan([0.0] * 299 + [math.inf, 2.0]), "301 ranges has 2 that are"),
        (scan([1.0], angle_increment=math.nan), "finite numbers"),
    ],
)
def test_a_scan_that_makes_no_sense_is_refused(message: LaserScan, said: str) -> None:
    with pytest.raises(SensorError, match=said):
        sweep_from_scan(message, HERE, 0.0, 100.0)


@pytest.mark.parametrize("step", [0.1, -0.2, 1e9, math.inf, math.nan])
def test_a_scan_whose_times_make_no_sense_is_used_without_them_with_a_remark(step: float) -> None:
    plain = sweep_from_scan(scan([1.0] * 12), HERE, 0.0, 100.0)
    got = sweep_from_scan(scan([1.0] * 12, time_increment=step), HERE, 0.0, 100.0)
    np.testing.assert_array_equal(got.points, plain.points)
    assert got.offsets is None
    assert got.remark.startswith("a time_increment of ")
    assert plain.remark == ""
