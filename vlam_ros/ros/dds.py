"""The profile of Fast DDS for nodes that publish images, which its defaults are too small for."""

from __future__ import annotations

from collections.abc import Mapping

from vlam_ros.resources import resource_path

PROFILE = "FASTRTPS_DEFAULT_PROFILES_FILE"


def with_profile(environment: Mapping[str, str]) -> dict[str, str]:
    """What to add to the environment of nodes: this package's profile, unless there is another."""
    if environment.get(PROFILE):
        return {}
    return {PROFILE: str(resource_path("config/fastdds.xml"))}
