"""`vlam evaluate fusion`: the gates of LiDAR and IMU, each against a truth of its own."""

from __future__ import annotations

import itertools
import math
import timeit
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from tqdm import tqdm

from vlam_ros.configuration import FusionNodeSettings
from vlam_ros.fusion import Rates, SensorFusion, depth_image, pose_table
from vlam_ros.lab.evaluation import placing
from vlam_ros.lab.evaluation.drive import SensedDrive, feed
from vlam_ros.lab.evaluation.report import Metric, Report
from vlam_ros.lab.evaluation.synthetic_sweep import SyntheticSweep, Turning, synthetic_sweep
from vlam_ros.lab.simulation.motion import Drive
from vlam_ros.lab.simulation.world import World
from vlam_ros.types import Attitude, Camera, PositionSource, optical_rotation

LENSES: dict[str, tuple[str, tuple[float, ...]]] = {
    "no distortion": ("plumb_bob", ()),
    "plumb_bob": ("plumb_bob", (-0.28, 0.07, 0.0005, -0.0003, 0.0)),
    "rational_polynomial": (
        "rational_polynomial",
        (0.4, -0.3, 0.0002, 0.0001, 0.05, 0.6, -0.2, 0.01),
    ),
    "equidistant": ("equidistant", (-0.02, 0.005, -0.002, 0.0003)),
}
ORDERS = ("forward", "reverse", "interleaved")
MOTIONS = {
    "constant rates": (Turning((0.0, 0.0, 2.0)), Turning((0.3, -0.4, 1.5))),
    "linearly changing rates": (
        Turning((0.0, 0.0, 1.0), (0.0, 0.0, 15.0)),
        Turning((0.3, -0.5, 1.0), (3.0, 5.0, -15.0)),
    ),
    "driving at 1 m/s": (Turning((0.0, 0.0, 0.0), speed=1.0),),
}
POSES, POINTS_PER_POSE = 50, 2000
TIMED_POINTS, REPETITIONS = 100_000, 25
DRIVES, DRIVE_SECONDS = 4, 40.0


def evaluate_fusion(scenes: int = 200) -> Report:
    """Measure all that fusion must be good at, with so many simulated scenes a way of placing."""
    rows = [*_projection(), *_deskew(), _speed(), *_attitude()]
    rows += [*_driving(scenes), *_pitched(scenes), *_ramp(scenes)]
    return Report(tuple(rows), {"scenes": scenes})


def _projection() -> Iterator[Metric]:
    rng = np.random.default_rng(0)
    for name in LENSES:
        worst, seen = 0.0, 0
        for _ in range(POSES):
            rotation, _ = cv2.Rodrigues(rng.uniform(-3, 3, 3))
            camera = _camera(name, rotation, rng.uniform(-1, 1, 3))
            points = rng.uniform(-8, 8, (POINTS_PER_POSE, 3)).astype(np.float32)
            pixels, depth = camera.project(points)
            found = np.isfinite(depth)
            theirs = opencv_pixels(camera, points[found].astype(np.float64))
            worst = max(worst, float(np.abs(pixels[found] - theirs).max(initial=0)))
            seen += int(found.sum())
        yield Metric(f"projection against OpenCV, {name}, worst (px)", worst, seen, 0.01, True)


def _camera(lens: str, rotation: np.ndarray, position: np.ndarray) -> Camera:
    model, distortion = LENSES[lens]
    return Camera(640, 480, 420, 428, 322, 238.5, rotation, position, distortion, model)


def opencv_pixels(camera: Camera, points: np.ndarray) -> np.ndarray:
    turn, _ = cv2.Rodrigues(camera.rotation.T)
    shift = -camera.rotation.T @ camera.position
    K = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    project = (
        cv2.fisheye.projectPoints if camera.distortion_model == "equidistant" else cv2.projectPoints
    )
    pixels, _ = project(points.reshape(-1, 1, 3), turn, shift, K, np.array(camera.distortion))
    return np.asarray(pixels).reshape(-1, 2)


def _deskew() -> Iterator[Metric]:
    for name, motions in MOTIONS.items():
        worst, points = 0.0, 0
        for motion, order in itertools.product(motions, ORDERS):
            synthetic = synthetic_sweep(motion, order=order)
            off = _straightened(synthetic) - synthetic.truth
            worst = max(worst, float(np.linalg.norm(off, axis=1).max()))
            points += len(off)
        yield Metric(f"deskew up to 16 m, {name}, worst (mm)", 1000 * worst, points, 0.2, True)


def _straightened(synthetic: SyntheticSweep) -> np.ndarray:
    sweep, reference = synthetic.sweep, synthetic.reference
    assert sweep.offsets is not None
    times = np.array([(s.stamp - reference) / 1e9 for s in synthetic.imu])
    rates = Rates(times, np.array([s.rate for s in synthetic.imu]))
    moves = synthetic.odometry if synthetic.odometry[0].speed else ()
    poses = pose_table(times[0], times[-1], rates, moves, reference)
    return poses.bring(sweep.points, sweep.offsets - reference / 1e9)


def _speed() -> Metric:
    columns = math.ceil(TIMED_POINTS / 64)
    synthetic = synthetic_sweep(Turning((0.3, -0.4, 1.5)), rings=64, columns=columns)
    camera = _camera("plumb_bob", optical_rotation(0.0), np.array([0.1, 0.0, 0.6]))
    seconds = timeit.repeat(
        lambda: depth_image(_straightened(synthetic), camera), number=1, repeat=REPETITIONS
    )
    points = len(synthetic.sweep.points)
    median = 1000 * float(np.median(seconds))
    return Metric(f"{points:,} points deskewed and projected (ms)", median, REPETITIONS, 30.0, True)


def _attitude() -> Iterator[Metric]:
    settings = FusionNodeSettings.load()
    off = []
    with World(64, 48) as world:
        for seed in tqdm(range(DRIVES), desc="attitude"):
            rng = np.random.default_rng([11, seed])
            motion, fusion = Drive.random(rng), SensorFusion(settings.sensors, settings.fusion)
            drive = SensedDrive(world, motion, rng)
            for k, arrival in enumerate(drive.arrivals(0.0, DRIVE_SECONDS, math.inf)):
                feed(fusion, arrival)
                if k % 25 == 0:
                    pose, found = motion.pose(arrival.now / 1e9), fusion.attitude(arrival.now)
                    assert isinstance(found, Attitude)
                    off.append((found.roll - pose.roll, found.pitch - pose.pitch))
    rms = np.degrees(np.sqrt(np.mean(np.square(off), axis=0)))
    for name, value in zip(("roll", "pitch"), rms, strict=True):
        yield Metric(f"attitude on a drive, {name}, RMS (°)", float(value), len(off), 0.5, True)


def _driving(scenes: int) -> Iterator[Metric]:
    lidar: list[tuple[float, float]] = []
    ground: list[tuple[float, float]] = []
    sights = 0
    for view in placing.views("drive", scenes):
        sights += len(view.sights)
        lidar += placing.errors(view, PositionSource.DEPTH)
        camera_only = placing.without(view, "depth", "floor")
        ground += placing.errors(camera_only, PositionSource.GROUND_PLANE)
    yield from _position_rows("LiDAR", lidar, (0.03, 0.08))
    yield Metric("… share of objects that LiDAR places", len(lidar) / max(1, sights), sights)
    yield from _position_rows("ground plane and IMU", ground, (0.06, None))


def _position_rows(
    name: str, found: list[tuple[float, float]], gates: tuple[float | None, float | None]
) -> Iterator[Metric]:
    off, spread = np.array(found).reshape(-1, 2).T
    title, cases = f"position, {name}", len(off)
    if not cases:
        yield Metric(f"{title}, median (m)", math.nan, 0, gates[0], True)
        return
    yield Metric(f"{title}, median (m)", float(np.median(off)), cases, gates[0], True)
    yield Metric(f"{title}, 95 % (m)", float(np.quantile(off, 0.95)), cases, gates[1], True)
    yield Metric("… share within twice its spread", float(np.mean(off <= 2 * spread)), cases)


def _pitched(scenes: int) -> Iterator[Metric]:
    """A chassis pitched by 5° on a level floor, without LiDAR: what the IMU is for."""
    views = placing.views("pitched", scenes, sweep=False)
    with_imu, without_imu = _medians(views, (), ("attitude",))
    yield Metric("pitched ±5° on a level floor, no IMU, median (m)", without_imu, scenes)
    yield Metric("… with IMU", with_imu, scenes)
    yield Metric(
        "… share of the error that the IMU leaves", with_imu / without_imu, scenes, 0.5, True
    )


def _ramp(scenes: int) -> Iterator[Metric]:
    """Robot and objects on the same ramp: gravity misleads, the floor that the LiDAR sees decides.

    Depth is not used, for with it the floor would hardly matter.
    """
    views = placing.views("ramp", scenes)
    both, neither = _medians(views, ("depth",), ("depth", "floor", "attitude"))
    yield Metric("on a ramp of 5°, no IMU, median (m)", neither, scenes)
    yield Metric("… with IMU and the floor that LiDAR sees", both, scenes)
    yield Metric("… error that the IMU adds (m)", both - neither, scenes, 0.005, True)


def _medians(views: Iterator[placing.View], *without: Sequence[str]) -> list[float]:
    """Median errors (m) on the ground plane, without each of some sets of sensors."""
    found: list[list[float]] = [[] for _ in without]
    for view in views:
        for errors, sensors in zip(found, without, strict=True):
            one = placing.without(view, *sensors)
            errors += [off for off, _ in placing.errors(one, PositionSource.GROUND_PLANE)]
    return [float(np.median(errors)) if errors else math.nan for errors in found]
