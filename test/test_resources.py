"""Configuration is found in the source tree and in install prefixes of every layout."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vlam_ros import resources
from vlam_ros.errors import ConfigurationError

ROOT = Path(__file__).parents[1]
CODE = (
    "from vlam_ros import resources; print(resources.__file__, resources.resource_path('config'))"
)


def install(prefix: Path, packages: str) -> Path:
    """The parts of an install space that resources.py needs; its site-packages folder."""
    site = prefix / packages
    (site / "vlam_ros").mkdir(parents=True)
    for name in ("__init__.py", "errors.py", "resources.py"):
        shutil.copy(ROOT / "vlam_ros" / name, site / "vlam_ros")
    (prefix / "share" / "vlam_ros" / "config").mkdir(parents=True)
    return site


def test_source_tree_serves_its_own_config() -> None:
    assert resources.resource_path("config") == Path(resources.__file__).resolve().parents[1] / (
        "config"
    )


@pytest.mark.parametrize(
    "packages", ["lib/python3.11/site-packages", "local/lib/python3.10/dist-packages"]
)
def test_installed_package_finds_its_prefix_without_ament_prefix_path(
    tmp_path: Path, packages: str
) -> None:
    site = install(tmp_path, packages)
    # -I -S: neither the environment nor installed packages help.
    command = f"import sys; sys.path.insert(0, {str(site)!r}); {CODE}"
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", command], capture_output=True, text=True, check=True
    )
    module, config = run.stdout.split()
    assert Path(module).parent == site / "vlam_ros"
    assert Path(config) == tmp_path / "share" / "vlam_ros" / "config"


def test_missing_file_is_an_error_that_says_where_it_was_looked_for() -> None:
    root = Path(resources.__file__).resolve().parents[1]
    with pytest.raises(ConfigurationError, match=r"config/nothing\.yaml not found in") as error:
        resources.resource_path("config/nothing.yaml")
    assert str(root) in str(error.value)
