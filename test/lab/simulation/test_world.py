"""The image, its labels and the camera agree with the scene."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from vlam_ros.errors import SimulationError
from vlam_ros.lab.simulation.motion import BasePose
from vlam_ros.lab.simulation.scene import CameraSpec, ObjectSpec, SceneSpec, random_scene
from vlam_ros.lab.simulation.world import World

UPRIGHT = (1.0, 0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(320, 240) as world:
        yield world


def thing(shape: str, x: float, y: float, size: tuple[float, float, float]) -> ObjectSpec:
    return ObjectSpec(shape, "red", (0.8, 0.07, 0.07), size, (x, y, size[0]), UPRIGHT)


def test_a_ball_is_where_the_camera_projects_it(world: World) -> None:
    for x, y in ((0.8, 0.0), (1.2, 0.4), (2.0, -0.7)):
        ball = thing("ball", x, y, (0.08, 0.08, 0.08))
        world.load(SceneSpec((ball,), CameraSpec(height=0.7, tilt=0.5, roll=0.02)))
        labels, camera = world.render().labels, world.camera
        right, down, ahead = camera.rotation.T @ (np.array(ball.position) - camera.position)
        u, v = camera.fx * right / ahead + camera.cx, camera.fy * down / ahead + camera.cy
        rows, columns = np.nonzero(labels == 1)
        # A ball's image is an ellipse, a little off the projection of its centre.
        assert columns.mean() == pytest.approx(u, abs=1.0)
        assert rows.mean() == pytest.approx(v, abs=1.0)


def test_a_ball_has_the_size_that_its_distance_gives(world: World) -> None:
    ball = thing("ball", 1.5, 0.0, (0.10, 0.10, 0.10))
    world.load(SceneSpec((ball,), CameraSpec(height=0.6, tilt=0.4)))
    camera = world.camera
    distance = np.linalg.norm(np.array(ball.position) - camera.position)
    rows = np.flatnonzero((world.render().labels == 1).any(axis=1))
    assert len(rows) == pytest.approx(2 * camera.fx * 0.10 / distance, rel=0.1)


def test_the_camera_goes_with_the_base(world: World) -> None:
    ball = thing("ball", 1.5, 0.3, (0.08, 0.08, 0.08))
    world.load(SceneSpec((ball,), CameraSpec(height=0.7, tilt=0.5, roll=0.02)))
    mounted = world.camera.position
    for pose in (
        BasePose(x=0.4, y=0.2),
        BasePose(y=1.0, yaw=-0.5),
        BasePose(x=0.2, y=-0.3, z=0.05, roll=0.1, pitch=-0.08, yaw=0.3),
    ):
        world.move(pose)
        labels, camera = world.render().labels, world.camera
        pixels, _ = camera.project(pose.to_base(np.array([ball.position])))
        rows, columns = np.nonzero(labels == 1)
        assert columns.mean() == pytest.approx(pixels[0, 0], abs=1.0)
        assert rows.mean() == pytest.approx(pixels[0, 1], abs=1.0)
        # The mount on the robot is what it was.
        np.testing.assert_array_equal(camera.position, mounted)


def test_a_scene_is_loaded_around_a_base_at_its_origin(world: World) -> None:
    scene = random_scene(np.random.default_rng(1))
    world.load(scene)
    before = world.render()
    world.move(BasePose(x=0.5, yaw=0.4))
    assert (world.render().image != before.image).any()
    world.load(scene)
    assert world.pose == BasePose()
    np.testing.assert_array_equal(world.render().image, before.image)
    np.testing.assert_array_equal(world.render().labels, before.labels)


def test_cameras_see_through_the_robot(world: World) -> None:
    inside = thing("ball", 0.1, 0.0, (0.08, 0.08, 0.08))
    world.load(SceneSpec((inside,), CameraSpec(x=0.1, height=0.6, tilt=1.5)))
    assert world.cast(np.array([0.1, 0.0, 0.6]), np.array([[0.0, 0.0, -1.0]])) == pytest.approx(
        0.6 - 0.25  # the top of the chassis
    )
    assert np.count_nonzero(world.render().labels == 1) > 1000


@pytest.mark.parametrize("shape", ["box", "ball", "cylinder", "capsule", "plate", "cup", "cone"])
def test_every_shape_is_seen_in_its_colour(world: World, shape: str) -> None:
    world.load(SceneSpec((thing(shape, 0.9, 0.0, (0.07, 0.07, 0.07)),), CameraSpec(tilt=0.6)))
    rendering = world.render()
    assert np.count_nonzero(rendering.labels == 1) > 100
    red, green, blue = rendering.image[rendering.labels == 1].mean(axis=0)
    assert red > 2 * green
    assert red > 2 * blue


def test_nothing_is_left_of_the_scene_before(world: World) -> None:
    first, second = (random_scene(np.random.default_rng(seed)) for seed in (1, 2))
    world.load(second)
    alone = world.render()
    world.load(first)
    world.load(second)
    again = world.render()
    np.testing.assert_array_equal(alone.image, again.image)
    np.testing.assert_array_equal(alone.labels, again.labels)


def test_clutter_has_no_label(world: World) -> None:
    box = thing("box", 0.9, 0.0, (0.07, 0.07, 0.07))
    scene = SceneSpec((), CameraSpec(tilt=0.6), clutter=(box,))
    world.load(scene)
    with_clutter = world.render()
    world.load(replace(scene, clutter=()))
    assert not with_clutter.labels.any()
    assert (with_clutter.image != world.render().image).any()


def test_too_many_objects_are_refused(world: World) -> None:
    many = tuple(thing("ball", 1.0, 0.1 * i, (0.04, 0.04, 0.04)) for i in range(13))
    with pytest.raises(SimulationError, match="at most 12 objects a scene, got 13"):
        world.load(SceneSpec(many))
