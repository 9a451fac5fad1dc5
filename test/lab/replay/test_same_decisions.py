"""What 6068c2d decided on the fixture bags is decided today, from verdict to tokens, but for what
is INTENDED.
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

FORGOTTEN = {
    "text": "",
    "outcome": "HOLD",
    "reason": "NO_INSTRUCTION",
    "skill": "stop",
    "target": None,
    "destination": None,
    "tokens": [[0, 255, 255, 255, 255]],
}
INTENDED = {("loop", 0.0): {6: FORGOTTEN}, ("loop", 0.4): {3: FORGOTTEN}}
"""What is decided otherwise, by bag, period and number of the decision. FORGOTTEN: time has jumped
back, with which the instruction is forgotten as all else; it comes anew with the next image.
"""


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("period", decisions.PERIODS)
@pytest.mark.parametrize("name", decisions.MAPPINGS)
def test_every_decision_on_a_fixture_bag_is_as_it_was(name: str, period: float) -> None:
    before = decisions.load(ROOT / "test" / "data" / "decisions" / decisions.bag_file(name, period))
    for number, changes in INTENDED.get((name, period), {}).items():
        assert {**before[number], **changes} != before[number]
        before[number].update(changes)
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
