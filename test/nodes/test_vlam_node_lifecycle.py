"""vlam_node in time and in its life cycle: silence, jumps, transitions, wrong parameters."""

from __future__ import annotations

import pytest
from lifecycle_msgs.srv import GetState
from node_world import GO, HeldPipeline, World, stamp_of
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from vlam_ros.configuration import Settings
from vlam_ros.errors import ModelError
from vlam_ros.ros.managed import autostart
from vlam_ros.types import Outcome, Reason

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


# ------------------------------------------------------------------------------ time


@pytest.mark.parametrize("use_sim_time", [False, True])
def test_without_images_the_node_holds_even_if_its_clock_stands_still(
    world: World, use_sim_time: bool
) -> None:
    world.activate(policy__max_image_age=0.1, use_sim_time=use_sim_time)
    world.chunk(Outcome.HOLD, Reason.NO_INSTRUCTION)
    world.say(GO)
    chunk = world.chunk(Outcome.HOLD, Reason.STALE_SENSOR)
    assert "no image for 0.1 s" in chunk.message
    world.chunk(Outcome.HOLD, Reason.STALE_SENSOR)


def test_images_that_jump_back_in_time_start_everything_anew(world: World) -> None:
    pipeline = world.moving()
    resets = pipeline.resets
    old = world.show(world.image(age=30.0))
    stop = world.chunk(Outcome.HOLD, Reason.STALE_SENSOR)
    assert stop.message == "time jumped back: say again what to do"
    assert stop.sequence == 2, "a controller drops what is older than what it executes"
    assert stamp_of(world.chunk(Outcome.HOLD, Reason.NO_INSTRUCTION)) == old
    assert pipeline.resets == resets + 1
    world.say(GO)
    again = world.chunk(Outcome.EXECUTE)
    assert (stamp_of(again), again.sequence) == (old, 3)
    assert pipeline.resets == resets + 1


def test_a_clock_that_jumps_back_starts_everything_anew(world: World) -> None:
    pipeline = world.activate(use_sim_time=True)
    world.set_time(100)
    world.show()
    world.say(GO)
    world.chunk(Outcome.EXECUTE)
    resets = pipeline.resets
    world.set_time(40)
    assert "time jumped back" in world.chunk(Outcome.HOLD, Reason.STALE_SENSOR).message
    world.show()
    assert world.chunk(Outcome.HOLD, Reason.NO_INSTRUCTION).header.stamp.sec == 40
    assert pipeline.resets == resets + 1
    world.say(GO)
    assert world.chunk(Outcome.EXECUTE).header.stamp.sec == 40


# ------------------------------------------------------------------------------ life cycle


def test_deactivating_stops_the_robot_first_and_lets_the_lease_lapse(world: World) -> None:
    world.moving()
    assert world.node.trigger_deactivate() == SUCCESS
    stop = world.chunk(Outcome.HOLD, Reason.NO_INSTRUCTION)
    assert stop.message == "vlam_node was deactivated"
    assert stop.sequence > 1, "a controller drops what is older than what it executes"
    world.until(lambda: world.alive[-1] == 0)
    world.images.publish(world.image())
    world.say(GO)
    world.status()
    assert world.chunks == []


def test_an_activated_again_node_waits_for_a_new_instruction(world: World) -> None:
    world.moving()
    assert world.node.trigger_deactivate() == SUCCESS
    assert world.node.trigger_activate() == SUCCESS
    world.chunks.clear()
    stamp = world.show()
    world.until(lambda: stamp in [stamp_of(c) for c in world.chunks])
    assert {c.reason for c in world.chunks} == {int(Reason.NO_INSTRUCTION)}
    world.say(GO)
    assert world.chunk(Outcome.EXECUTE).sequence == 3


def test_a_node_cleaned_up_can_be_configured_again(world: World) -> None:
    world.activate()
    for transition in ("deactivate", "cleanup", "configure", "activate"):
        assert getattr(world.node, f"trigger_{transition}")() == SUCCESS
    assert len(world.pipelines) == 2
    world.until(lambda: world.images.get_subscription_count() == 1)
    world.show()
    world.until(lambda: world.pipelines[1].observations)
    assert world.pipelines[0].observations == []


def state(world: World) -> str:
    """The state of the node, asked over its service."""
    client = world.other.create_client(GetState, "vlam_node/get_state")
    world.until(client.service_is_ready)
    future = client.call_async(GetState.Request())
    world.until(future.done)
    return str(future.result().current_state.label)


@pytest.mark.parametrize(
    ("parameter", "bad", "good", "said"),
    [
        ("camera.height", 77.0, 0.5, "camera.height out of range Min: 0.01, Max: 10.0"),
        ("policy.reach", 1, 1.0, "policy.reach' to '1' of type 'INTEGER', expecting type 'DOUBLE'"),
        ("model.device", "gpu", "cpu", "model.device must be one of auto, cpu, cuda, got 'gpu'"),
        ("action.low", [-1.0], [-1.0] * 4, "action.low must have 4 values, got 1"),
        ("policy.verify", "off", "enforce", "off lets through what the gate refuses"),
    ],
)
def test_a_wrong_parameter_fails_to_configure_with_its_name_until_it_is_mended(
    world: World,
    capfd: pytest.CaptureFixture[str],
    parameter: str,
    bad: object,
    good: object,
    said: str,
) -> None:
    node = world.start(**{parameter.replace(".", "__"): bad})
    autostart(node)
    assert said in capfd.readouterr().err
    assert state(world) == "unconfigured"
    node.set_parameters([Parameter(parameter, value=good)])
    assert node.trigger_configure() == SUCCESS
    assert state(world) == "inactive"


def test_a_policy_that_does_not_exist_is_refused_at_once(world: World) -> None:
    node = world.start()
    (result,) = node.set_parameters([Parameter("policy.kind", value="skils")])
    assert not result.successful
    assert "policy.kind must be one of skills" in result.reason
    (result,) = node.set_parameters([Parameter("policy.kind", value="skills")])
    assert result.successful


def test_a_misspelt_parameter_fails_to_configure(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    assert world.start(policy__standof=0.5).trigger_configure() == FAILURE
    said = "policy.standof: there is no such parameter: did you mean policy.standoff?"
    assert said in capfd.readouterr().err


@pytest.mark.parametrize(
    "error", [ModelError("model.safetensors is missing"), RuntimeError("CUDA out of memory")]
)
def test_a_model_that_does_not_load_fails_to_configure_and_the_node_stays(
    world: World, capfd: pytest.CaptureFixture[str], error: Exception
) -> None:
    node = world.start()

    def fail(settings: Settings) -> HeldPipeline:
        raise error

    node._make_pipeline = fail
    autostart(node)
    assert str(error) in capfd.readouterr().err
    assert state(world) == "unconfigured"
    node._make_pipeline = world._make
    assert node.trigger_configure() == SUCCESS


def test_autostart_off_leaves_the_node_to_a_lifecycle_manager(world: World) -> None:
    autostart(world.start(autostart=False))
    assert state(world) == "unconfigured"
