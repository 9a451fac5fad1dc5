"""Let pip build the package: CMake generates the messages, the wheel carries them."""

import os
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SOURCE = Path(__file__).parent.resolve()


class CMakeBuild(build_ext):
    """Install the CMake project into a staging prefix and put that prefix into the wheel."""

    def run(self) -> None:
        """Configure, build, stage, and hand to setuptools what it does not carry by itself."""
        build = SOURCE / "build" / "pip"
        stage = build / "stage"
        # The ROS wheels are in the virtual environment or in pip's isolated build environment.
        ament = find_spec("ament_package")
        if ament is None or ament.origin is None:
            raise SystemExit("ament_package is missing: pip install -r requirements.txt first")
        prefix = str(Path(ament.origin).parents[4])
        env = {**os.environ, "AMENT_PREFIX_PATH": prefix, "CMAKE_PREFIX_PATH": prefix}
        # CMake and Ninja lie beside the interpreter, also where nobody has activated it.
        env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env["PATH"]])
        configure = ["cmake", "--fresh", "-S", str(SOURCE), "-B", str(build), "-G", "Ninja"]
        configure += ["-DBUILD_TESTING=OFF", "-DCMAKE_BUILD_TYPE=Release"]
        configure += [f"-DPython3_EXECUTABLE={sys.executable}"]
        for command in (
            configure,
            ["cmake", "--build", str(build)],
            ["cmake", "-E", "rm", "-rf", str(stage)],
            ["cmake", "--install", str(build), "--prefix", str(stage)],
        ):
            subprocess.run(command, check=True, env=env)

        # setuptools takes care of sources, package data, metadata and executables itself.
        site = stage / Path(sysconfig.get_path("purelib")).relative_to(sys.prefix)
        own = {site / path.relative_to(SOURCE) for path in SOURCE.glob("vlam_ros/**/*")}
        executables = (stage / "bin", stage / "lib" / "vlam_ros")
        files: dict[str, list[str]] = {}
        for path in stage.rglob("*"):
            if (
                path.is_file()
                and path not in own
                and path.parent not in executables
                and not path.match("*.pyc")
                and not path.match("*.egg-info/*")
            ):
                where = str(path.parent.relative_to(stage))
                files.setdefault(where, []).append(str(path.relative_to(SOURCE)))
        self.distribution.data_files = list(files.items())
        if self.editable_mode:  # setuptools forgets the data files of editable wheels
            self.run_command("install_data")

    def get_outputs(self) -> list[str]:
        """No module of the extension lies where setuptools would look for it."""
        return []

    def get_output_mapping(self) -> dict[str, str]:
        """As get_outputs, for editable installs."""
        return {}


setup(ext_modules=[Extension("vlam_ros.msg", sources=[])], cmdclass={"build_ext": CMakeBuild})
