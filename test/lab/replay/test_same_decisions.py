"""What was decided on the fixture bags when the second edition of the embedded model was shipped is
decided today, from verdict to tokens.
"""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
_spec = importlib.util.spec_from_file_location("decisions", ROOT / "tools" / "decisions.py")
assert _spec is not None
assert _spec.loader is not None
decisions = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(decisions)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("period", decisions.PERIODS)
@pytest.mark.parametrize("name", decisions.MAPPINGS)
def test_every_decision_on_a_fixture_bag_is_as_it_was(name: str, period: float) -> None:
    before = decisions.load(ROOT / "test" / "data" / "decisions" / decisions.bag_file(name, period))
    assert decisions.differences(before, decisions.bag_decisions(name, period)) == []


def test_a_token_that_differs_is_told() -> None:
    before = decisions.load(ROOT / "test/data/decisions" / decisions.bag_file("level", 0.0))
    after = [{**row, "tokens": [[9, 9, 9, 9, 9]]} for row in before]
    told = decisions.differences(before, after)
    assert len(told) == len(before)
    assert "tokens" in told[0]
    assert decisions.differences(before, before[1:])[0] == (
        f"{len(before)} decisions became {len(before) - 1}"
    )
