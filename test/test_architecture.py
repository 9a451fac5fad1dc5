"""The import arrows of the design, read from the source with `ast`, imports in functions included.

types ← stages ← policies, verification ← pipeline ← runtime ← ros, nodes ← lab ← cli
"""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "vlam_ros").rglob("*.py"))

FOR_ALL = {"", "errors", "types", "interface", "resources", "settings", "configuration", "threads"}
STAGES = {"language", "perception", "fusion", "actions", "control"}
DECISION = STAGES | {"policies", "verification", "pipeline", "visualization"}
ROBOT = DECISION | {"runtime", "ros", "nodes"}

# Part of the package -> the other parts it may import, besides FOR_ALL.
MAY_IMPORT: dict[str, set[str]] = {
    **{part: set() for part in FOR_ALL | STAGES},
    "control": {"actions"},  # what follows a chunk must read it
    "visualization": {"actions"},
    "policies": STAGES | {"verification"},
    "verification": STAGES | {"policies"},
    "pipeline": STAGES | {"policies", "verification"},
    "runtime": {"fusion", "pipeline"},
    "ros": DECISION | {"runtime"},
    "nodes": DECISION | {"runtime", "ros"},
    "lab": ROBOT | {"cli"},
    "cli": ROBOT,
}
EXTRA_FOR_FILE = {"cli/main.py": {"lab"}}

ROS_PARTS = {"ros", "nodes", "lab"}
ROS_MODULES = {
    "rclpy", "rosidl_runtime_py", "ament_index_python", "launch", "launch_ros",
    "cv_bridge", "tf2_ros", "message_filters", "builtin_interfaces", "rcl_interfaces",
}  # fmt: skip

# What the robot imports that is not ROS, the standard library or its own.
THIRD_PARTY = {
    "cv2", "huggingface_hub", "numpy", "rich", "safetensors", "torch", "transformers", "yaml",
    # only where it is asked for: other backends, and a LoRA in training
    "onnxruntime", "openvino", "peft",
}  # fmt: skip


def relative(path: Path) -> str:
    return path.relative_to(ROOT / "vlam_ros").as_posix()


def part_of(path: Path) -> str:
    """The part of the package a file belongs to; "" for vlam_ros/__init__.py."""
    first = Path(relative(path)).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def imported_modules(path: Path, text: str | None = None) -> set[str]:
    """Absolute names of the modules that a file imports; of the given text in place of its own."""
    package = ["vlam_ros", *Path(relative(path)).parent.parts]
    names: set[str] = set()
    for node in ast.walk(ast.parse(text or path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names.add(module)
            if module == "vlam_ros":
                names |= {f"vlam_ros.{alias.name}" for alias in node.names}
    return names


def needs_ros(module: str) -> bool:
    top, *rest = module.split(".")
    return (
        top in ROS_MODULES or top.endswith("_msgs") or (top == "vlam_ros" and rest[:1] == ["msg"])
    )


def parts_imported(path: Path) -> set[str]:
    modules = [name.split(".") for name in imported_modules(path)]
    return {(m[1] if len(m) > 1 else "") for m in modules if m[0] == "vlam_ros"} - {
        "msg",
        "__version__",
    }


def allowed(path: Path) -> set[str]:
    part = part_of(path)
    return FOR_ALL | MAY_IMPORT[part] | {part} | EXTRA_FOR_FILE.get(relative(path), set())


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_imports_follow_the_arrows(path: Path) -> None:
    assert parts_imported(path) - allowed(path) == set()


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_ros_is_imported_in_ros_and_nodes_only(path: Path) -> None:
    if part_of(path) not in ROS_PARTS:
        assert {name for name in imported_modules(path) if needs_ros(name)} == set()


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_the_robot_imports_no_other_packages_than_these(path: Path) -> None:
    names = {name.partition(".")[0] for name in imported_modules(path) if not needs_ros(name)}
    if part_of(path) != "lab":
        assert names - sys.stdlib_module_names - THIRD_PARTY - {"vlam_ros"} == set()


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_modules_stay_below_400_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_imports_in_functions_and_relative_ones_are_seen() -> None:
    text = """def function():
        import rclpy.node
        from sensor_msgs.msg import Image
        from ..fusion import attitude
        from vlam_ros import msg"""
    names = imported_modules(ROOT / "vlam_ros" / "perception" / "example.py", text)
    assert {n for n in names if needs_ros(n)} == {"rclpy.node", "sensor_msgs.msg", "vlam_ros.msg"}
    assert "vlam_ros.fusion" in names
