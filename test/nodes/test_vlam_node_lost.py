"""Images that a busy vlam_node does not take in time are told in diagnostics."""

from __future__ import annotations

from node_world import World


def test_images_that_make_room_before_the_node_takes_them_are_counted(world: World) -> None:
    world.activate()
    world.show()
    before = int(world.status()[1]["images lost"])
    for _ in range(3):  # the node is not spun in between
        world.images.publish(world.image())
    world.show()
    assert int(world.status()[1]["images lost"]) == before + 3
