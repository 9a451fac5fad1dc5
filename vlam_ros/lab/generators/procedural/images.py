"""Procedural images: a thousand meshes and the shapes of the rooms before wide-ranging backgrounds.

One compiled model holds them all; for each image its geoms are re-typed, moved and re-coloured.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from vlam_ros.lab.generators.generator import LabelledImage
from vlam_ros.lab.generators.procedural.arrangements import Arrangement, arrangement
from vlam_ros.lab.generators.procedural.bodies import (
    GLOSSES,
    MAX_NAMED,
    MAX_NAMELESS,
    Body,
    pattern_pool,
)
from vlam_ros.lab.generators.procedural.meshes import MESHES, mesh
from vlam_ros.lab.generators.procedural.paint import RGB
from vlam_ros.lab.generators.procedural.surroundings import (
    GROUND_TEXTURES,
    IMAGE_SIZES,
    LIGHTS,
    Light,
    Wall,
)
from vlam_ros.lab.generators.procedural.textures import GROUNDS, ground
from vlam_ros.lab.simulation.engine import mujoco
from vlam_ros.lab.simulation.mjcf import place_mesh
from vlam_ros.types import Uint8Array

SLOTS, PANELS = MAX_NAMED + MAX_NAMELESS, 5
SKY = 32
"""Pixels of a side of the sky."""


def _names(kind: str, count: int) -> Iterator[str]:
    return (f"{kind}{i}" for i in range(count))


def _xml() -> str:
    """The model without meshes; what its textures show and where its geoms are comes later."""
    rng = np.random.default_rng(3)
    width, height = np.max(IMAGE_SIZES, axis=0)
    assets = [f'<texture name="sky" type="skybox" builtin="flat" width="{SKY}" height="{SKY}"/>']
    for name in _names("ground", GROUND_TEXTURES):
        repeat = math.exp(rng.uniform(math.log(0.6), math.log(5)))
        assets.append(
            f'<texture name="{name}" type="2d" builtin="flat" width="256" height="256"/>'
            f'<material name="{name}" texture="{name}" texuniform="true" specular="0.1" '
            f'texrepeat="{repeat} {repeat}" shininess="{rng.uniform(0, 0.5)}"/>'
        )
    for name in _names("pattern", len(pattern_pool())):
        repeat = rng.uniform(3, 12)
        assets.append(
            f'<texture name="{name}" type="cube" builtin="flat" width="96" height="96"/>'
            f'<material name="{name}" texture="{name}" texuniform="true" '
            f'texrepeat="{repeat} {repeat}" specular="{rng.uniform(0, 0.8)}" '
            f'shininess="{rng.uniform(0, 0.9)}"/>'
        )
    for name, shine in zip(_names("gloss", GLOSSES), np.linspace(0, 0.9, GLOSSES), strict=True):
        assets.append(f'<material name="{name}" specular="{shine}" shininess="{shine}"/>')
    # A slot of each kind cannot be compiled without data, so all start as spheres.
    geoms = [f'<geom name="{name}" type="sphere" size=".05"/>' for name in _names("slot", SLOTS)]
    geoms += [f'<geom name="{name}" type="box" size="1 1 1"/>' for name in _names("panel", PANELS)]
    geoms += [f'<geom name="{name}" type="plane" size="9 2 1"/>' for name in _names("wall", 3)]
    lights = [
        f'<light name="{name}" cutoff="60" exponent="1"/>' for name in _names("light", LIGHTS)
    ]
    return f"""
<mujoco>
  <option><flag contact="disable"/></option>
  <visual>
    <global offwidth="{width}" offheight="{height}"/>
    <quality shadowsize="1024" offsamples="4"/>
    <map znear="0.01" zfar="50" shadowclip="1"/>
  </visual>
  <statistic extent="3" center="1 0 0"/>
  <asset>{"".join(assets)}</asset>
  <worldbody>
    <camera name="camera"/>{"".join(lights)}
    <geom name="floor" type="plane" size="15 15 0.5"/>{"".join(geoms)}
  </worldbody>
</mujoco>"""


def _compiled() -> Any:
    """The model with all meshes and textures."""
    spec = mujoco.MjSpec.from_string(_xml())
    for number in range(MESHES):
        solid = mesh(number).solid
        spec.add_mesh(
            name=f"mesh{number}",
            inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL,
            # Corners share no vertices, as each has its own normal.
            uservert=solid.vertices[solid.faces].ravel(),
            userface=np.arange(solid.faces.size),
            usernormal=solid.corner_normals().ravel(),
        )
    model = spec.compile()
    rng = np.random.default_rng(4)
    for i in range(GROUND_TEXTURES):
        _paint(model, f"ground{i}", ground(rng, i % len(GROUNDS)))
    for i, pattern in enumerate(pattern_pool()):
        _paint(model, f"pattern{i}", np.concatenate([pattern.image] * 6))
    return model


def _paint(model: Any, texture: str, image: Uint8Array) -> int:
    """Put pixels into a texture; its id."""
    found: int = model.texture(texture).id
    first = model.tex_adr[found]
    model.tex_data[first : first + image.size] = image.ravel()
    return found


class Procedural:
    """Renders `arrangements.arrangement`. It holds one GL context."""

    def __init__(self) -> None:
        self._model = model = _compiled()
        self._data = mujoco.MjData(model)
        self._scene = mujoco.MjvScene(model, maxgeom=200)
        self._option, self._camera = mujoco.MjvOption(), mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._camera.fixedcamid = model.camera("camera").id
        width, height = (int(v) for v in np.max(IMAGE_SIZES, axis=0))
        self._gl = mujoco.GLContext(width, height)
        self._gl.make_current()
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._slots = [model.geom(name).id for name in _names("slot", SLOTS)]
        # Compiled at the origin, they would share the world's frame and never move.
        model.geom_sameframe[:] = mujoco.mjtSameFrame.mjSAMEFRAME_NONE

    def __enter__(self) -> Procedural:
        return self

    def __exit__(self, *error: object) -> None:
        self._gl.make_current()
        self._context.free()
        self._gl.free()

    def draw(self, split: str, index: int) -> LabelledImage:
        """The image of `arrangement(split, index)`."""
        shown = arrangement(split, index)
        self._show(shown)
        size = (shown.view.width, shown.view.height_px)
        image = self._rendered(*size)
        ids = self._rendered(*size, segments=True)[..., 0]  # fewer geoms than a byte counts
        labels = self._label_of_segment(len(shown.bodies))[ids]
        return LabelledImage(image, labels, tuple(body.thing for body in shown.bodies))

    def _label_of_segment(self, count: int) -> Uint8Array:
        """What a segment's number, 0 for none, is labelled with."""
        label = {slot: i + 1 for i, slot in enumerate(self._slots[:count])}
        lookup = np.zeros(self._scene.ngeom + 1, np.uint8)
        for geom in self._scene.geoms[: self._scene.ngeom]:
            if geom.objtype == mujoco.mjtObj.mjOBJ_GEOM:
                lookup[geom.segid + 1] = label.get(geom.objid, 0)
        return lookup

    def _rendered(self, width: int, height: int, segments: bool = False) -> Uint8Array:
        for flag in (mujoco.mjtRndFlag.mjRND_SEGMENT, mujoco.mjtRndFlag.mjRND_IDCOLOR):
            self._scene.flags[flag] = segments
        rect = mujoco.MjrRect(0, 0, width, height)
        mujoco.mjr_render(rect, self._scene, self._context)
        image = np.empty((height, width, 3), np.uint8)
        mujoco.mjr_readPixels(image, None, rect, self._context)
        return np.ascontiguousarray(image[::-1])

    def _show(self, shown: Arrangement) -> None:
        """Make the model look like this."""
        model = self._model
        self._gl.make_current()
        model.geom_rgba[:, 3] = 0.0
        for slot, body in zip(self._slots, shown.bodies, strict=False):
            self._set_body(slot, body)
        for i, panel in enumerate(shown.panels):
            geom = self._ground(f"panel{i}", panel.texture, panel.rgb)
            model.geom_size[geom], model.geom_pos[geom] = panel.size, panel.position
        for i, wall in enumerate(shown.walls):
            self._set_wall(self._ground(f"wall{i}", wall.texture, wall.rgb), wall)
        self._ground("floor", shown.floor, shown.floor_rgb)
        model.light_active[:] = 0
        for i, light in enumerate(shown.lights):
            self._set_light(i, light)
        model.vis.headlight.ambient[:] = shown.ambient
        model.vis.headlight.diffuse[:] = 0.0
        model.vis.headlight.specular[:] = 0.0
        self._set_sky(*shown.sky)
        view = shown.view
        model.cam_pos[0], model.cam_fovy[0] = (0.0, 0.0, view.height), math.degrees(view.fovy)
        # MuJoCo's camera looks along its -z with +y up; the optical frame has z forward, y down.
        turn = view.rotation @ np.diag([1.0, -1.0, -1.0])
        mujoco.mju_mat2Quat(model.cam_quat[0], turn.ravel())
        mujoco.mj_kinematics(model, self._data)
        mujoco.mj_camlight(model, self._data)
        everything = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(
            model, self._data, self._option, None, self._camera, everything, self._scene
        )

    def _ground(self, name: str, texture: int, rgb: RGB) -> int:
        """Cover a geom with a background texture; its id."""
        geom: int = self._model.geom(name).id
        self._model.geom_matid[geom] = self._model.material(f"ground{texture}").id
        self._model.geom_rgba[geom] = (*rgb, 1.0)
        return geom

    def _set_wall(self, geom: int, wall: Wall) -> None:
        # A plane's z axis points to where it is seen from: away from the wall.
        normal = np.array([-1.0, 0, 0] if wall.side == 0 else [0, -wall.side, 0], float)
        axes = np.stack([np.cross((0.0, 0.0, 1.0), normal), (0.0, 0.0, 1.0), normal], axis=1)
        self._model.geom_pos[geom] = -wall.distance * normal + (0.0, 0.0, 2.0)
        mujoco.mju_mat2Quat(self._model.geom_quat[geom], axes.ravel())

    def _set_light(self, i: int, light: Light) -> None:
        model, kinds = self._model, mujoco.mjtLightType
        model.light_active[i], model.light_castshadow[i] = 1, light.shadow
        model.light_type[i] = kinds.mjLIGHT_DIRECTIONAL if light.directional else kinds.mjLIGHT_SPOT
        model.light_pos[i], model.light_diffuse[i] = light.position, light.rgb
        aim = np.subtract(light.aim, light.position)
        model.light_dir[i] = aim / np.linalg.norm(aim)

    def _set_sky(self, top: RGB, horizon: RGB) -> None:
        """Six faces: right, left, up, down, front, back."""
        share = np.linspace(0, 1, SKY)[:, None, None]
        side = np.broadcast_to(np.add((1 - share) * top, share * horizon), (SKY, SKY, 3))
        faces = [side, side, np.broadcast_to(top, side.shape), side[::-1], side, side]
        pixels = np.round(255 * np.concatenate(faces)).astype(np.uint8)
        mujoco.mjr_uploadTexture(self._model, self._context, _paint(self._model, "sky", pixels))

    def _set_body(self, slot: int, body: Body) -> None:
        model, geom = self._model, mujoco.mjtGeom
        types = {
            "box": geom.mjGEOM_BOX,
            "ball": geom.mjGEOM_SPHERE,
            "cylinder": geom.mjGEOM_CYLINDER,
            "capsule": geom.mjGEOM_CAPSULE,
        }
        name = f"gloss{body.gloss}" if body.pattern is None else f"pattern{body.pattern}"
        model.geom_matid[slot] = model.material(name).id
        model.geom_rgba[slot] = (*body.rgb, 1.0)
        model.geom_type[slot] = types.get(body.kind, geom.mjGEOM_MESH)
        model.geom_size[slot], model.geom_pos[slot] = body.size, body.position
        mujoco.mju_mat2Quat(model.geom_quat[slot], body.matrix.ravel())
        model.geom_dataid[slot] = -1
        if body.kind == "mesh":
            place_mesh(model, slot, model.mesh(f"mesh{body.number}").id)
