"""How this process shares the processor with others."""

import os


def wait_without_spinning() -> None:
    """Let PyTorch's threads sleep while they wait for each other; before torch is imported.

    By default they spin, which gains little where nothing else runs, and where something does (a
    robot's other nodes) takes the core from the very thread that is waited for.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
