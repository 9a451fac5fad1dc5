import json
from pathlib import Path

import pytest

from vlam_ros.actions import action_space_from_statistics
from vlam_ros.errors import ActionError

COMMANDS = ["stop", "go_to"]
ACTION = {
    "q01": [-1.0, -0.5, 0.0, -3.0],
    "q99": [2.0, 0.5, 0.8, 3.0],
    "mean": [0.1, 0.0, 0.2, 0.0],
}


def write(folder: Path, document: object) -> Path:
    path = folder / "statistics.json"
    path.write_text(json.dumps(document))
    return path


def test_the_percentiles_are_the_ranges(tmp_path: Path) -> None:
    path = write(tmp_path, {"tabletop": {"action": ACTION, "num_transitions": 7}})
    space = action_space_from_statistics(path, COMMANDS)
    assert space.low == (-1.0, -0.5, 0.0, -3.0)
    assert space.high == (2.0, 0.5, 0.8, 3.0)
    assert (space.names, space.unused) == (("stop", "go_to"), (255,) * 4)


def test_of_several_data_sets_one_must_be_named(tmp_path: Path) -> None:
    other = {"action": {"q01": [-9, -9, -9, -1], "q99": [9, 9, 9, 1]}}
    path = write(tmp_path, {"tabletop": {"action": ACTION}, "kitchen": other})
    assert action_space_from_statistics(path, COMMANDS, "kitchen", 101).high == (9, 9, 9, 1)
    with pytest.raises(ActionError, match=r"\['kitchen', 'tabletop'\]; name one, got None"):
        action_space_from_statistics(path, COMMANDS)
    with pytest.raises(ActionError, match="got 'garden'"):
        action_space_from_statistics(path, COMMANDS, "garden")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "must map data sets"),
        ({"tabletop": {}}, "needs action.q01"),
        ({"tabletop": {"action": {**ACTION, "q99": "wide"}}}, "needs action.q01"),
        ({"tabletop": {"action": {**ACTION, "q99": [1.0, 1.0, 1.0]}}}, "one value each"),
        ({"tabletop": {"action": {**ACTION, "q99": [2.0, 0.5, 0.0, 3.0]}}}, "z: low < high"),
        ({"tabletop": {"action": {**ACTION, "q01": [-1.0, float("nan"), 0.0, 0.0]}}}, "y: low"),
    ],
)
def test_unusable_statistics_are_refused(tmp_path: Path, document: object, message: str) -> None:
    with pytest.raises(ActionError, match=message):
        action_space_from_statistics(write(tmp_path, document), COMMANDS)


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ActionError, match=r"cannot read .*absent\.json"):
        action_space_from_statistics(tmp_path / "absent.json", COMMANDS)
    (tmp_path / "broken.json").write_bytes(b"\xff{")
    with pytest.raises(ActionError, match=r"cannot read .*broken\.json"):
        action_space_from_statistics(tmp_path / "broken.json", COMMANDS)
