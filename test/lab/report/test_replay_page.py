import base64
import hashlib
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from replay_runs import CUP, DONE, EXECUTE, HOLD, NAN, SPACE, START, at, replay, tokens

from vlam_ros.lab.replay.compare import compare
from vlam_ros.lab.replay.images import DecisionImages
from vlam_ros.lab.replay.records import ReplayRun
from vlam_ros.lab.replay.thresholds import Exceeded, Thresholds, passed_over
from vlam_ros.lab.report.replay_data import Nearest
from vlam_ros.lab.report.replay_page import replay_page
from vlam_ros.types import ActionSpace

HOSTILE = "</script><img src=x onerror=alert(1)>\u2028\ud800<!--<script>"
MOVED = replace(EXECUTE, tokens=tokens((1, 40 / 127, 0.0, NAN, 0.0), (1, 0.5, 0.1, NAN, 0.2)))


def data_of(page: str) -> dict[str, Any]:
    """What the page's script reads."""
    blocks = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert len(blocks) == 1
    return json.loads(blocks[0])


def told(run: ReplayRun, baseline: ReplayRun | None = None) -> dict[str, Any]:
    return data_of(replay_page(run, {}, compare(baseline, run) if baseline else None))


# Data


def test_stamps_are_whole_and_times_are_since_the_first_image() -> None:
    run = at(replay(EXECUTE, HOLD), [0, 1_500_000_001])
    first, second = told(run)["decisions"]
    assert (first["stamp"], second["stamp"]) == ("1700000000.000000000", "1700000001.500000001")
    assert (first["after"], second["after"]) == (0.0, 1.5)
    assert told(replay(HOLD))["decisions"][0]["waited"] == 0.04


def test_a_decision_is_told_whole() -> None:
    data = told(replay(HOLD, EXECUTE, seconds=0.25))
    d = data["decisions"][1]
    assert {k: d[k] for k in ("outcome", "reason", "skill", "confidence", "seconds", "era")} == {
        "outcome": "EXECUTE", "reason": "NONE", "skill": "go_to", "confidence": 0.875,
        "seconds": 0.25, "era": 0,
    }  # fmt: skip
    assert data["texts"][d["instruction"]] == "go to the red cup"
    assert data["texts"][d["trace"]] == "go to red cup (1.00, 0.20) [0.90]"
    assert data["texts"][data["decisions"][0]["message"]] == "no red cup is seen"
    assert d["objects"][0] == {
        "phrase": "red cup", "role": "target", "box": [320, 240, 400, 320], "score": 0.9,
        "position": [1.0, 0.2, 0.05], "spread": 0.01,
    }  # fmt: skip
    assert "difference" not in d
    assert "before" not in d


def test_rows_are_decoded_and_are_due_after_their_image() -> None:
    data = told(replay(EXECUTE))
    first, second = data["chunks"][data["decisions"][0]["chunk"]]
    assert first == {
        "due": 0.2, "tokens": list(EXECUTE.tokens[0]), "command": "go_to",
        "values": [pytest.approx(0.2, abs=1 / 254), 0.0, None, 0.0],
    }  # fmt: skip
    assert second["due"] == 0.45
    assert second["values"][0] == pytest.approx(0.5, abs=1 / 254)


def test_rows_of_the_baseline_are_decoded_in_its_own_space() -> None:
    twice = ActionSpace.of(SPACE.names, (-2.0, -2.0, -2.0, -3.0), (2.0, 2.0, 2.0, 3.0))
    data = told(replay(EXECUTE), replay(EXECUTE, space=twice))
    before = data["differences"][0]["before"]
    now = data["chunks"][data["decisions"][0]["chunk"]][1]["values"][0]
    assert data["chunks"][before["chunk"]][1]["values"][0] == pytest.approx(2 * now, abs=1e-3)


def test_what_recurs_is_there_once() -> None:
    data = told(replay(*[EXECUTE, HOLD] * 100))
    assert len(data["chunks"]) == 2
    assert len(data["texts"]) == 4  # instruction, "", trace, message


def test_what_is_no_number_is_null() -> None:
    cup = replace(CUP, position=(NAN, 0.2, float("inf")), spread=None)
    run = replay(replace(EXECUTE, confidence=NAN, objects=(cup,)), seconds=NAN)
    d = told(run)["decisions"][0]
    assert (d["confidence"], d["seconds"]) == (None, None)
    assert d["objects"][0]["position"] == [None, 0.2, None]
    assert d["objects"][0]["spread"] is None


def test_eras_are_parts_of_the_axis() -> None:
    run = at(replay(*[EXECUTE] * 4), [0, 10**9, 0, 10**9], [0, 0, 1, 1])
    data = told(run)
    assert data["parts"] == [[0.0, 2.0, 0.0], [2.0, 2.0, 0.0]]
    assert [d["at"] for d in data["decisions"]] == [0.0, 1.0, 2.0, 3.0]
    assert "time jumped back once" in replay_page(run, {})


# Differences


def test_differences_are_in_the_order_of_the_run() -> None:
    steps = [0, 10**8, 2 * 10**8, 3 * 10**8]
    baseline = at(replay(EXECUTE, EXECUTE, EXECUTE, EXECUTE), steps)
    run = at(replay(EXECUTE, HOLD, MOVED), [0, 10**8, 3 * 10**8])
    data = told(run, baseline)
    kinds = [(d["kind"], d["index"], d["changed"]) for d in data["differences"]]
    assert kinds == [
        ("changed", 1, ["verdict", "reason", "skill", "target", "destination"]),
        ("missing", 1, ["missing"]),
        ("changed", 2, ["waypoints"]),
    ]
    assert data["differences"][2]["distance"] == pytest.approx(0.118, abs=0.001)
    assert data["differences"][1]["before"]["after"] == 0.2
    assert [d.get("difference") for d in data["decisions"]] == [None, 0, 2]


def test_every_decision_says_what_the_baseline_was_like() -> None:
    sure = replace(EXECUTE, confidence=0.5)
    data = told(replay(EXECUTE), replay(sure, seconds=0.3))
    assert data["differences"] == []
    before = {"outcome": "EXECUTE", "confidence": 0.5, "seconds": 0.3}
    assert data["decisions"][0]["before"] == before


def test_a_new_decision_is_a_difference_without_a_before() -> None:
    run = at(replay(EXECUTE, EXECUTE), [0, 10**8])
    data = told(run, at(replay(EXECUTE), [0]))
    assert data["differences"] == [{"kind": "new", "index": 1, "changed": ["new"]}]


def test_moving_where_the_robot_stood_is_marked() -> None:
    data = told(replay(EXECUTE, HOLD), replay(HOLD, EXECUTE))
    assert [d["setsOff"] for d in data["differences"]] == [True, False]


def test_times_of_what_is_missing_from_an_empty_run_are_since_the_baselines_first() -> None:
    data = told(replay(), at(replay(EXECUTE, EXECUTE), [0, 10**9]))
    assert [d["before"]["after"] for d in data["differences"]] == [0.0, 1.0]
    assert [d["index"] for d in data["differences"]] == [None, None]


def test_the_nearest_decision_is_one_of_the_same_era_if_there_is_any() -> None:
    run = at(replay(*[EXECUTE] * 4), [0, 100, 0, 40], [0, 0, 1, 1])
    nearest = Nearest(run.decisions)
    assert nearest.to(START + 60, 0) == 1
    assert nearest.to(START + 60, 1) == 3
    assert nearest.to(START + 60) == 3
    assert nearest.to(START + 21, 7) == 3
    assert Nearest(()).to(START) is None


# The page


def test_what_strangers_say_is_never_read_as_html() -> None:
    thing = replace(CUP, phrase=HOSTILE)
    bad = replace(
        EXECUTE, instruction=HOSTILE, message=HOSTILE, trace=HOSTILE, objects=(thing,),
        reason=HOSTILE, skill=HOSTILE,
    )  # fmt: skip
    run = replay(bad, EXECUTE, **{HOSTILE: HOSTILE})
    run = replace(run, notes=(HOSTILE,))
    comparison = compare(replay(EXECUTE, bad), run)
    exceeded = [Exceeded(HOSTILE, 0.0, 1.0, (START,))]
    page = replay_page(run, {}, comparison, exceeded, HOSTILE)
    page.encode()  # a lone surrogate could not be
    assert "<img src=x" not in page
    assert "<!--<script>" not in page
    assert len(re.findall("<script|</script", page)) == 4  # the data and the script
    assert "\u2028" not in data_block(page)
    assert HOSTILE in data_of(page)["texts"]


def data_block(page: str) -> str:
    return page[page.index('id="data">') :].partition("</script>")[0]


def test_the_page_may_run_its_own_script_and_load_nothing() -> None:
    page = replay_page(replay(EXECUTE), {0: DecisionImages(b"jpeg", b"jpeg")})
    policy = re.search(r'http-equiv="Content-Security-Policy" content="(.*?)"', page)
    assert policy
    allowed = dict(rule.split(" ", 1) for rule in policy[1].split("; "))
    script = re.findall(r"<script>(.*?)</script>", page, re.S)
    style = re.findall(r"<style>(.*?)</style>", page, re.S)
    for kind, parts in (("script-src", script), ("style-src", style)):
        assert len(parts) == 1
        digest = base64.b64encode(hashlib.sha256(parts[0].encode()).digest()).decode()
        assert allowed[kind] == f"'sha256-{digest}'"
    assert allowed["default-src"] == "'none'"
    assert allowed["img-src"] == "data:"
    assert "style=" not in page
    assert not re.findall(r'(?:src|href)="(?!data:,)', page)
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", page)


def test_images_are_in_blocks_of_their_own() -> None:
    run = replay(EXECUTE, HOLD, DONE)
    images = {
        2: DecisionImages(b"from the camera", b"from above"),
        0: DecisionImages(b"another", None),
        9: DecisionImages(b"of no decision", None),
    }
    page = replay_page(run, images)
    blocks = dict(re.findall(r'<script type="text/plain" id="(.*?)">(.*?)</script>', page))
    assert {name: base64.b64decode(data) for name, data in blocks.items()} == {
        "overlay-0": b"another", "overlay-2": b"from the camera", "top-view-2": b"from above",
    }  # fmt: skip
    assert data_of(page)["images"] == [[0, False], [2, True]]


def test_the_page_says_first_what_came_out() -> None:
    run, same = replay(EXECUTE, bag="kitchen"), replay(EXECUTE)
    moved = replay(HOLD)
    exceeded = passed_over(compare(moved, run), Thresholds.load())
    for comparison, over, tone, text in (
        (None, (), "plain", "no baseline</span><span>1 decision by 1 instruction</span>"),
        (compare(same, run), (), "good", "same as the baseline: 1 decision</span>"),
        (compare(moved, run), (), "other", "1 of 1 decision differ: verdict 1"),
        (compare(moved, run), exceeded, "bad", "1 of 1 decision differ: verdict 1"),
    ):
        page = replay_page(run, {}, comparison, over)
        assert f'class="panel verdict {tone}"' in page
        assert text in page
        assert '<dt>bag</dt><dd dir="auto">kitchen</dd>' in page
        assert ('id="exceeded"' in page) == bool(over)
        assert ('id="differences"' in page) == (comparison is not None)


def test_thresholds_lead_to_the_decisions_that_count() -> None:
    baseline, run = replay(*[EXECUTE] * 5), replay(EXECUTE, EXECUTE, HOLD, EXECUTE, HOLD)
    page = replay_page(run, {}, compare(baseline, run), [
        Exceeded("verdict", 0.1, 0.4, (START + 200_000_000, START + 400_000_000)),
        Exceeded("latency_ratio", 1.5, NAN),
    ])  # fmt: skip
    assert re.findall(r'data-decision="(\d)" data-after="(.*?)"', page) == [
        ("2", "0.2000"), ("4", "0.4000"),
    ]  # fmt: skip
    assert "<td>0.4</td><td>0.1</td>" in page
    assert "<td>–</td><td>1.5</td><td>–</td>" in page


def test_a_threshold_leads_to_the_era_that_differs() -> None:
    times, eras = [0, 10**8, 0, 10**8], [0, 0, 1, 1]
    baseline = at(replay(*[EXECUTE] * 4), times, eras)
    run = at(replay(EXECUTE, EXECUTE, EXECUTE, HOLD), times, eras)
    comparison = compare(baseline, run)
    page = replay_page(run, {}, comparison, passed_over(comparison, Thresholds.load()))
    assert set(re.findall(r'data-decision="(\d)"', page)) == {"3"}


def test_a_run_without_decisions_is_a_page_too() -> None:
    page = replay_page(replay(bag="empty"), {})
    assert "No decision was made." in page
    assert 'id="timeline"' not in page
    assert data_of(page)["decisions"] == []


def test_remarks_and_notes_are_shown() -> None:
    run = replace(replay(EXECUTE, bag="a"), notes=("no <camera_info>",))
    page = replay_page(run, {}, compare(replay(EXECUTE, bag="b"), run))
    assert "no &lt;camera_info&gt;</li>" in page
    assert "the bags differ: b, now a</li>" in page
