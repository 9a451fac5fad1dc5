import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from replay_runs import EXECUTE, NAN, replay

from vlam_ros.lab.report import page as module
from vlam_ros.lab.report import replay_page
from vlam_ros.lab.report.bags_page import bags_page
from vlam_ros.visualization.overlay import VERDICT_COLOURS

TEMPLATES = Path(module.__file__).parent / "templates"


def test_no_number_that_json_has_not_gets_into_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_page, "page_data", lambda *_: {"seconds": NAN})
    with pytest.raises(ValueError, match="not JSON compliant"):
        replay_page.replay_page(replay(EXECUTE), {})


def test_what_no_file_can_hold_is_a_question_mark() -> None:
    assert "<title>caf?.bag</title>" in bags_page([], {}, "caf\udce9.bag")


def test_a_value_that_a_template_needs_is_not_left_out() -> None:
    with pytest.raises(UndefinedError, match="title"):
        module.render("base.html")


def test_verdicts_have_the_colours_of_the_drawings() -> None:
    page = bags_page([], {})
    for outcome, colour in VERDICT_COLOURS.items():
        assert "--{}: #{:02x}{:02x}{:02x};".format(outcome.name.lower(), *colour) in page


def test_a_pages_script_is_its_modules_without_what_binds_them() -> None:
    page = replay_page.replay_page(replay(EXECUTE), {})
    script = page[page.rindex("<script>") :]
    assert not re.search(r"^(import|export)\b", script, re.MULTILINE)
    assert script.count('"use strict"') == 1
    for path in TEMPLATES.glob("replay_*.js"):
        for name in re.findall(r"^export function (\w+)", path.read_text(), re.MULTILINE):
            assert f"\nfunction {name}(" in script
