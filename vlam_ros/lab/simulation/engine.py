"""MuJoCo, set up to render where there is no display."""

from __future__ import annotations

import os

from vlam_ros.errors import SimulationError

# Must be said before MuJoCo is imported: there is no display to fall back to.
os.environ.setdefault("MUJOCO_GL", "egl")

try:
    import mujoco
except (ImportError, AttributeError, RuntimeError) as error:  # the GL platform fails in its own way
    if isinstance(error, ModuleNotFoundError) and error.name == "mujoco":
        raise
    raise SimulationError(
        f"MuJoCo cannot render off-screen here ({error}); on Debian or Ubuntu: "
        "apt install libegl1 libgl1-mesa-dri, or set MUJOCO_GL=osmesa with libosmesa6"
    ) from error

__all__ = ["mujoco"]
