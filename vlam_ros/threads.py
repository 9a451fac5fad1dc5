"""How this process shares the processor with others."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


def wait_without_spinning() -> None:
    """Let PyTorch's threads sleep while they wait for each other; before torch is imported.

    By default they spin, which gains little where nothing else runs, and where something does (a
    robot's other nodes) takes the core from the very thread that is waited for.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch calculate in this thread alone: what is small and comes one after another takes
    longer to share than to do.
    """
    # Not above: torch reads the policy of waiting when it is imported.
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
