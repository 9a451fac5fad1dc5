"""A skipped test fails the run unless the allow-list names it with a reason."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SKIPPING = (
    "import pytest\n\n\n@pytest.mark.parametrize('x', [1])\ndef test_a(x):\n    pytest.skip()\n"
)


@pytest.mark.parametrize(
    ("allowlist", "code"),
    [
        ("# nothing\n", pytest.ExitCode.TESTS_FAILED),
        ("test_it.py::test_a = needs what this machine lacks\n", pytest.ExitCode.OK),
        ("test_it.py = needs what this machine lacks\n", pytest.ExitCode.OK),
        ("test_it.py::test = a prefix of a name is not a test\n", pytest.ExitCode.TESTS_FAILED),
        ("test_it.py::test_a\n", pytest.ExitCode.USAGE_ERROR),
    ],
)
def test_exit_code_of_a_run_with_a_skipped_test(
    tmp_path: Path, allowlist: str, code: pytest.ExitCode
) -> None:
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "skip_allowlist.txt").write_text(allowlist, encoding="utf-8")
    (tmp_path / "test_it.py").write_text(SKIPPING, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "--rootdir", str(tmp_path), str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert run.returncode == code, run.stdout
