import math

import cv2
import numpy as np
import pytest

from vlam_ros.errors import ImageError
from vlam_ros.perception.positions import (
    ATTITUDE_SIGMA,
    SHAPE_SIGMA,
    Position,
    floor_centre,
    level_floor,
)
from vlam_ros.perception.positions import locate as locate_on
from vlam_ros.types import (
    Attitude,
    BoolArray,
    Camera,
    DepthImage,
    FloorPlane,
    Missing,
    PositionSource,
)

NO_DEPTH, NO_IMU, NO_FLOOR = Missing("no depth"), Missing("no IMU"), Missing("no LiDAR")
LEVEL = level_floor(0.0, 0.0)

PLUMB_BOB = (-0.28, 0.07, 0.0005, -0.0003, 0.0)
RATIONAL = (0.4, -0.3, 0.0002, 0.0001, 0.05, 0.6, -0.2, 0.01)


def locate(
    mask: BoolArray,
    camera: Camera,
    depth: DepthImage | Missing,
    attitude: Attitude | Missing,
    floor: FloorPlane | Missing = NO_FLOOR,
) -> Position | None:
    return locate_on(mask, camera, depth, attitude, floor)


def rotation(roll: float, pitch: float, yaw: float) -> np.ndarray:
    """R_z(yaw) R_y(pitch) R_x(roll)."""
    (cr, sr), (cp, sp), (cy, sy) = ((math.cos(a), math.sin(a)) for a in (roll, pitch, yaw))
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    return about_z @ about_y @ about_x


def camera_at(
    height: float = 0.6,
    tilt: float = 0.45,
    yaw: float = 0.0,
    distortion: tuple[float, ...] = (),
    optical_roll: float = 0.0,
    focal: float = 520.0,
) -> Camera:
    """640 x 480, 10 cm ahead of and 3 cm left of `base_link`."""
    optical = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], float)
    return Camera(
        width=640,
        height=480,
        fx=focal,
        fy=0.99 * focal,
        cx=322.0,
        cy=238.5,
        rotation=rotation(optical_roll, tilt, yaw) @ optical,
        position=np.array([0.10, 0.03, height]),
        distortion=distortion,
        distortion_model="rational_polynomial" if len(distortion) == 8 else "plumb_bob",
    )


CAMERAS = {
    "plain": camera_at(),
    "turned": camera_at(height=1.1, tilt=0.8, yaw=0.6, optical_roll=0.1),
    "plumb_bob": camera_at(distortion=PLUMB_BOB),
    "rational": camera_at(distortion=RATIONAL),
    "wide": camera_at(distortion=PLUMB_BOB, focal=300.0),
}


def project(camera: Camera, points: np.ndarray) -> np.ndarray:
    """Pixels [N,2] of points [N,3] in base_link."""
    optical = (np.atleast_2d(points) - camera.position) @ camera.rotation
    assert (optical[:, 2] > 0).all()
    K = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    D = np.array(camera.distortion)
    return cv2.projectPoints(optical, np.zeros(3), np.zeros(3), K, D)[0][:, 0]


def depth_of(camera: Camera, point: np.ndarray) -> float:
    return float((point - camera.position) @ camera.rotation[:, 2])


def seen_floor(camera: Camera, up: np.ndarray) -> np.ndarray:
    """Points [N,3] of the floor through the origin with normal `up` that lie in the image."""
    x, y = np.meshgrid(np.linspace(0.4, 2.5, 12), np.linspace(-1.2, 1.2, 9))
    points = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1)
    points[:, 2] = -(points[:, :2] @ up[:2]) / up[2]
    points = points[(points - camera.position) @ camera.rotation[:, 2] > 0.2]
    pixels = project(camera, points)
    return points[((pixels >= 0) & (pixels < (camera.width, camera.height))).all(axis=1)]


@pytest.mark.parametrize("name", CAMERAS)
@pytest.mark.parametrize(("roll", "pitch"), [(0.0, 0.0), (0.05, -0.08)])
def test_floor_points_are_found_from_their_pixels_within_a_millimetre(
    name: str, roll: float, pitch: float
) -> None:
    camera = CAMERAS[name]
    # A base tilted by `rotation` sees the upward direction turned back.
    points = seen_floor(camera, up=rotation(roll, pitch, 0).T @ [0, 0, 1])
    assert len(points) > 20
    for point, (u, v) in zip(points, project(camera, points), strict=True):
        found = floor_centre(camera, (u, v), level_floor(roll, pitch), width=0.0)
        assert found is not None
        assert np.linalg.norm(found[0] - point) <= 1e-3
        assert found[1] == 0.0


@pytest.mark.parametrize("name", CAMERAS)
def test_the_centre_lies_half_a_width_behind_the_near_edge(name: str) -> None:
    camera, radius = CAMERAS[name], 0.06
    for centre in seen_floor(camera, up=np.array([0, 0, 1.0])):
        away = (centre - camera.position) * (1, 1, 0)
        edge = centre - radius * away / np.linalg.norm(away)
        width = 2 * radius / depth_of(camera, centre)
        found = floor_centre(camera, tuple(project(camera, edge)[0]), LEVEL, width)
        assert found is not None
        assert np.linalg.norm(found[0] - centre) <= 1e-3
        assert found[1] == pytest.approx(2 * radius, abs=1e-3)


def cylinder_mask(
    camera: Camera, centre: tuple[float, float], radius: float, height: float, step: int
) -> BoolArray:
    """What a cylinder on the floor covers, with mask pixels of `step` x `step` image pixels."""
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    rim = np.stack([centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)], 1)
    points = [np.column_stack([rim, np.full(len(rim), z)]) for z in (0.0, height)]
    hull = cv2.convexHull(project(camera, np.concatenate(points)).astype(np.float32))
    image = np.zeros((camera.height, camera.width), np.uint8)
    cv2.fillConvexPoly(image, np.round(hull).astype(np.int32), 1)
    small = image.reshape(camera.height // step, step, camera.width // step, step)
    return small.mean(axis=(1, 3)) > 0.5


@pytest.mark.parametrize("name", ["plain", "plumb_bob"])
@pytest.mark.parametrize("centre", [(0.8, 0.0), (1.2, 0.3), (1.8, -0.4)])
def test_an_object_on_the_floor_is_placed_within_its_spread(
    name: str, centre: tuple[float, float]
) -> None:
    camera = CAMERAS[name]
    mask = cylinder_mask(camera, centre, radius=0.05, height=0.1, step=4)
    found = locate(mask, camera, NO_DEPTH, NO_IMU)
    assert found is not None
    assert found.source is PositionSource.GROUND_PLANE
    error = np.linalg.norm(np.array(found.point) - (*centre, 0))
    assert error < min(0.02, found.spread)
    # The box is a little wider than the foot: the upper rim is nearer to the camera and leans
    # outward, and each side is rounded to a mask pixel (1 cm here).
    assert found.size == pytest.approx(0.1, abs=0.02)


def test_the_floor_is_tilted_by_the_attitude() -> None:
    # Nose up by 0.05 rad: in base_link the floor sinks ahead of the robot.
    pitch = -0.05
    camera = camera_at()
    up = rotation(0, pitch, 0).T @ [0, 0, 1]
    point = np.array([1.2, 0.0, -1.2 * up[0] / up[2]])
    assert point[2] == pytest.approx(-0.06, abs=0.001)
    u, v = project(camera, point)[0]
    mask = np.zeros((480, 640), bool)
    mask[round(v) - 20 : round(v), round(u)] = True
    tilted = locate(mask, camera, NO_DEPTH, Attitude(0, 0.0, pitch))
    level = locate(mask, camera, NO_DEPTH, NO_IMU)
    assert tilted is not None
    assert level is not None
    assert np.linalg.norm(np.array(tilted.point) - point) < 0.01
    # The same ray meets z = 0 after 0.60 / 0.66 of its way down from the camera at x = 0.1.
    assert level.point[0] == pytest.approx(1.1, abs=0.01)


def test_the_spread_is_that_of_random_errors_of_pixel_and_attitude() -> None:
    camera = camera_at()
    centre = floor_centre(camera, (300.0, 200.0), LEVEL, 0.05)
    assert centre is not None
    rng = np.random.default_rng(0)
    moved = []
    for pixel, tilt in zip(
        rng.normal((300, 200), 4, (1000, 2)),
        rng.normal(0, ATTITUDE_SIGMA, (1000, 2)),
        strict=True,
    ):
        found = floor_centre(camera, tuple(pixel), level_floor(*tilt), 0.05)
        assert found is not None
        moved.append(found[0])
    sampled = math.sqrt(np.sum(np.var(moved, axis=0)) + (SHAPE_SIGMA * centre[1]) ** 2)

    mask = np.zeros((120, 160), bool)
    mask[40:50, 72:78] = True  # its foot is the pixel (299.5, 199.5), its width 24 px
    found_position = locate(mask, camera, NO_DEPTH, NO_IMU)
    assert found_position is not None
    assert 0.95 * sampled < found_position.spread < 1.3 * sampled


@pytest.mark.parametrize("row", [0, 1], ids=["above", "a pixel below"])
def test_a_foot_at_the_horizon_has_no_position(row: int) -> None:
    camera = camera_at(tilt=0.3)
    horizon = camera.cy - camera.fy * math.tan(0.3)
    mask = np.zeros((480, 640), bool)
    mask[int(horizon) - 12 : int(horizon) + row * 2, 300:320] = True
    assert locate(mask, camera, NO_DEPTH, NO_IMU) is None


def test_a_foot_below_the_image_has_no_position() -> None:
    mask = np.zeros((480, 640), bool)
    mask[400:479, 300:340] = True
    assert locate(mask, camera_at(), NO_DEPTH, NO_IMU) is not None
    mask[479, 320] = True
    assert locate(mask, camera_at(), NO_DEPTH, NO_IMU) is None


def test_a_pixel_that_the_distortion_cannot_make_has_no_position() -> None:
    # A pincushion folded back: no ray reaches the corners of the image.
    camera = camera_at(distortion=(-3.0, 0.0, 0.0, 0.0, 0.0))
    mask = np.zeros((480, 640), bool)
    mask[440:470, 600:640] = True
    depth = DepthImage(0, np.ones((480, 640), np.float32))
    assert locate(mask, camera, depth, NO_IMU) is None


def test_the_floor_that_the_lidar_sees_counts_before_gravity() -> None:
    """On a ramp the robot is pitched, and so is what it stands on."""
    camera = camera_at()
    point = np.array([1.2, 0.1, 0.0])
    u, v = project(camera, point)[0]
    mask = np.zeros((480, 640), bool)
    mask[round(v) - 20 : round(v), round(u)] = True
    pitched = Attitude(0, 0.0, -0.09)
    ramp = FloorPlane(0, (0.0, 0.0, 1.0), 0.0)
    found = locate(mask, camera, NO_DEPTH, pitched, ramp)
    misled = locate(mask, camera, NO_DEPTH, pitched)
    assert found is not None
    assert misled is not None
    assert np.linalg.norm(np.array(found.point) - point) < 0.01
    assert np.linalg.norm(np.array(misled.point) - point) > 0.1
    assert found.spread < misled.spread


def test_a_floor_below_the_base_is_farther_away() -> None:
    camera = camera_at()
    deep = floor_centre(camera, (320.0, 300.0), FloorPlane(0, (0.0, 0.0, 1.0), -0.05), 0.0)
    level = floor_centre(camera, (320.0, 300.0), LEVEL, 0.0)
    assert deep is not None
    assert level is not None
    assert deep[0][2] == pytest.approx(-0.05)
    assert deep[0][0] > level[0][0] + 0.03


def ellipsoid(
    camera: Camera, centre: np.ndarray, axes: tuple[float, float, float]
) -> tuple[BoolArray, DepthImage]:
    """Mask [120,160] and depth of an ellipsoid, by casting the rays of all pixels."""
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    rays = camera.rays(np.stack([u.ravel(), v.ravel()], axis=1)) @ camera.rotation.T / axes
    start = (camera.position - centre) / axes
    a, b, c = (rays**2).sum(1), rays @ start, start @ start - 1
    root = b**2 - a * c
    with np.errstate(invalid="ignore"):
        depth = ((-b - np.sqrt(root)) / a).reshape(camera.height, camera.width)
    mask = np.isfinite(depth).reshape(120, 4, 160, 4).mean(axis=(1, 3)) > 0.5
    return mask, DepthImage(0, depth.astype(np.float32))


def thinned(depth: DepthImage, rows: int, columns: int) -> DepthImage:
    sparse = np.full_like(depth.depth, np.nan)
    sparse[::rows, ::columns] = depth.depth[::rows, ::columns]
    return DepthImage(0, sparse)


@pytest.mark.parametrize("name", ["plain", "turned", "plumb_bob"])
@pytest.mark.parametrize(
    ("axes", "limit"),
    [
        ((0.08, 0.08, 0.08), 0.012),  # a ball; a pixel of the mask is 9 mm wide
        ((0.05, 0.05, 0.12), 0.015),  # upright
        ((0.12, 0.12, 0.008), 0.015),  # a plate
        ((0.04, 0.14, 0.04), 0.025),  # lying across
    ],
)
def test_depth_gives_the_centre_of_what_is_seen(
    name: str, axes: tuple[float, float, float], limit: float
) -> None:
    camera = CAMERAS[name]
    yaw = 0.6 if name == "turned" else 0.0
    centre = np.array([0.1 + 1.2 * math.cos(yaw), 0.03 + 1.2 * math.sin(yaw), axes[2]])
    mask, dense = ellipsoid(camera, centre, axes)
    for depth in (dense, thinned(dense, 12, 4)):
        found = locate(mask, camera, depth, NO_IMU)
        assert found is not None
        assert found.source is PositionSource.DEPTH
        assert found.point[2] > -1e-6  # nothing is below the floor
        error = float(np.linalg.norm(np.array(found.point) - centre))
        assert error < limit
        assert error < 2 * found.spread


MASK = np.zeros((60, 80), bool)
MASK[20:30, 40:52] = True
SEEN = (slice(160, 240), slice(320, 416))
"""The image pixels under MASK."""


def surface(near: float = 1.2, background: float = 3.0) -> DepthImage:
    """A surface across the optical axis under MASK, in front of another."""
    depth = np.full((480, 640), background, np.float32)
    depth[SEEN] = near
    return DepthImage(0, depth)


def centre_depth(near: DepthImage) -> float:
    found = locate(MASK, camera_at(), near, NO_IMU)
    assert found is not None
    assert found.source is PositionSource.DEPTH
    return depth_of(camera_at(), np.array(found.point))


@pytest.mark.parametrize("name", CAMERAS)
def test_the_centre_is_behind_the_surface_on_the_ray_through_the_middle(name: str) -> None:
    camera = CAMERAS[name]
    found = locate(MASK, camera, surface(), NO_IMU)
    assert found is not None
    point = np.array(found.point)
    depth = depth_of(camera, point)
    assert 1.2 < depth < 1.2 + found.size / 2
    assert np.abs(project(camera, point)[0] - (367.5, 199.5)).max() * depth / camera.fy <= 1e-3
    # 96 pixels wide; distortion changes it by a few per cent.
    assert found.size == pytest.approx(
        96 * depth / camera.fx, rel=0.06 if camera.distortion else 1e-6
    )


def test_depth_beats_the_floor_and_its_noise_is_in_the_spread() -> None:
    noise = np.random.default_rng(0).normal(0, 0.03, (480, 640)).astype(np.float32)
    clean = locate(MASK, camera_at(), surface(), NO_IMU)
    noisy = locate(MASK, camera_at(), DepthImage(0, surface().depth + noise), NO_IMU)
    assert clean is not None
    assert noisy is not None
    assert noisy.source is PositionSource.DEPTH
    assert np.linalg.norm(np.subtract(noisy.point, clean.point)) < 0.005
    assert noisy.spread == pytest.approx(math.hypot(0.03, clean.spread), rel=0.15)


def test_of_several_surfaces_the_nearest_dense_one_counts() -> None:
    depth = surface(near=2.0).depth
    depth[180:220, 340:390] = 1.5  # half of the mask
    depth[200, 350:354] = 0.5  # a few stray points
    assert 1.5 < centre_depth(DepthImage(0, depth)) < 1.65


def test_background_at_the_rim_of_the_mask_does_not_count() -> None:
    depth = surface().depth
    rim = np.ones(depth.shape, bool)
    rim[168:232, 328:408] = False
    depth[rim] = 1.14
    assert centre_depth(DepthImage(0, depth)) == pytest.approx(centre_depth(surface()), abs=1e-6)


def test_sparse_depth_is_enough_with_three_points_of_one_surface() -> None:
    depth = np.full((480, 640), np.nan, np.float32)
    depth[200, 350:380:10] = (1.2, 1.21, 1.22)
    camera = camera_at()
    three = locate(MASK, camera, DepthImage(0, depth), NO_IMU)
    depth[200, 350] = np.nan
    two = locate(MASK, camera, DepthImage(0, depth), NO_IMU)
    assert three is not None
    assert two is not None
    assert three.source is PositionSource.DEPTH
    assert two.source is PositionSource.GROUND_PLANE


@pytest.mark.parametrize("nothing", [np.nan, np.inf, 0.0, -1.0])
def test_without_depth_in_the_mask_the_floor_counts(nothing: float) -> None:
    found = locate(MASK, camera_at(), surface(near=nothing), NO_IMU)
    assert found is not None
    assert found.source is PositionSource.GROUND_PLANE


def test_depth_of_another_size_is_refused() -> None:
    small = DepthImage(0, np.ones((240, 320), np.float32))
    with pytest.raises(ImageError, match="640x480 image, got 320x240"):
        locate(MASK, camera_at(), small, NO_IMU)


def test_a_mask_of_one_pixel_is_not_eroded_away() -> None:
    mask = np.zeros((60, 80), bool)
    mask[25, 45] = True
    found = locate(mask, camera_at(), surface(), NO_IMU)
    assert found is not None
    assert found.source is PositionSource.DEPTH
