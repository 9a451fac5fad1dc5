"""The report in Chromium, as people see it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from opened_page import PHONE, Opened
from playwright.sync_api import expect
from replay_runs import DONE, EXECUTE, HOLD, NAN, at, replay, tokens, with_decisions

from vlam_ros.lab.replay.compare import compare
from vlam_ros.lab.replay.images import DecisionImages
from vlam_ros.lab.replay.records import ReplayRun
from vlam_ros.lab.replay.table import BagRow
from vlam_ros.lab.replay.thresholds import Thresholds, passed_over
from vlam_ros.lab.report.bags_page import bags_page
from vlam_ros.lab.report.replay_page import replay_page
from vlam_ros.lab.visualization.jpeg import jpeg

TRAY = replace(EXECUTE, instruction="go to the blue tray")
MOVED = replace(EXECUTE, tokens=tokens((1, 40 / 127, 0.0, NAN, 0.0), (1, 0.5, 0.1, NAN, 0.2)))
RUN = replay(*[HOLD] * 2, *[EXECUTE] * 20, *[TRAY] * 6, *[HOLD] * 8, *[DONE] * 4, bag="kitchen")
HOSTILE = "</script><img src=x onerror=\"document.title='taken over'\"><script>alert(1)</script>"


def images_of(*indices: int) -> dict[int, DecisionImages]:
    """Images as wide as their decision's place, plus 100; even ones from above too."""
    drawn = {i: jpeg(np.full((60, 100 + i, 3), 90, np.uint8), 80, 500) for i in indices}
    return {i: DecisionImages(data, data if i % 2 == 0 else None) for i, data in drawn.items()}


def compared(baseline: ReplayRun, run: ReplayRun, indices: tuple[int, ...] = ()) -> str:
    comparison = compare(baseline, run)
    exceeded = passed_over(comparison, Thresholds.load())
    return replay_page(run, images_of(*indices), comparison, exceeded, "kitchen")


def changed(run: ReplayRun, changes: dict[int, object]) -> ReplayRun:
    """The run with what other decisions say at some places."""
    those = [
        replace(changes[i], stamp=d.stamp, now=d.now) if i in changes else d  # type: ignore[type-var]
        for i, d in enumerate(run.decisions)
    ]
    return with_decisions(run, those, run.seconds)


def width_of_image(page: Opened, name: str = "overlay") -> int:
    page.page.wait_for_function(f"document.getElementById('{name}').complete")
    return int(page(f"#{name}").evaluate("image => image.naturalWidth"))


# A run


def test_a_click_on_the_timeline_shows_that_decision(opened) -> None:
    page = opened(replay_page(RUN, {}))
    assert page.title == "Decision 1 of 40"
    page.click_timeline(0.51)
    assert page.title == "Decision 21 of 40"
    expect(page("#outcome")).to_have_text("EXECUTE")
    expect(page("#said")).to_have_text("“go to the red cup”")
    page.click_timeline(0.80, y=200)
    assert page.title == "Decision 33 of 40"
    expect(page("#outcome")).to_have_text("HOLD")
    expect(page("#why")).to_have_text("TARGET_NOT_FOUND")
    expect(page("#message")).to_have_text("no red cup is seen")
    expect(page("#time")).to_have_text("3.20 s · stamp 1700000003.200000000")
    assert page.page.url.endswith("#decision-33")


def test_dragging_goes_through_the_decisions(opened) -> None:
    page = opened(replay_page(RUN, {}))
    page.click_timeline(0.1)
    box = page("#timeline").bounding_box()
    mouse, y = page.page.mouse, box["y"] + 60
    mouse.move(box["x"] + 0.1 * box["width"], y)
    mouse.down()
    mouse.move(box["x"] + 0.6 * box["width"], y, steps=5)
    assert page.chosen == 24
    mouse.up()
    mouse.move(box["x"] + 0.95 * box["width"], y)
    assert page.chosen == 24
    expect(page("#readout")).to_contain_text("DONE")


def test_keys_go_through_the_decisions(opened) -> None:
    page = opened(replay_page(RUN, {}))
    assert page.press("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowRight") == 2
    page.click_timeline(0.51)  # which has the keys from then on
    assert page.press("End") == 39
    assert page.press("ArrowRight") == 39
    assert page.press("PageUp") == 29
    assert page.press("Home") == 0
    assert page.press("ArrowLeft") == 0
    page.press("ArrowRight")
    slider = page("#timeline")
    expect(slider).to_have_attribute("aria-valuenow", "2")
    expect(slider).to_have_attribute("aria-valuemax", "40")
    text = "0.10 s: HOLD TARGET_NOT_FOUND, confidence 0.00, 0.100 s"
    expect(slider).to_have_attribute("aria-valuetext", text)


def test_buttons_go_through_the_decisions(opened) -> None:
    page = opened(replay_page(RUN, {}))
    expect(page("#previous")).to_be_disabled()
    page("#next").click()
    page("#next").click()
    page("#previous").click()
    assert page.chosen == 1
    expect(page("#next-difference")).to_be_hidden()
    page("#timeline").focus()
    page.press("End")
    expect(page("#next")).to_be_disabled()


def test_an_address_names_a_decision(opened) -> None:
    page = opened(replay_page(RUN, {}), fragment="decision-30")
    assert page.chosen == 29
    page.page.evaluate("location.hash = '#decision-5'")
    expect(page("#decision-title")).to_have_text("Decision 5 of 40")
    assert opened(replay_page(RUN, {}), fragment="decision-999").chosen == 39


def test_the_card_tells_plan_objects_and_rows(opened) -> None:
    steps = "go to red cup (1.00, 0.20) [0.90] -> pick up red cup (1.00, 0.20) [0.90]"
    page = opened(replay_page(replay(replace(EXECUTE, trace=steps)), {}))
    assert page("#plan li").all_inner_texts() == steps.split(" -> ")
    expect(page("#plan .current")).to_have_text("go to red cup (1.00, 0.20) [0.90]")
    expect(page("#measures")).to_contain_text("0.88")
    objects = page("#objects tbody tr").all_inner_texts()
    assert objects[0].split("\t") == [
        "red cup", "target", "0.90", "1.00", "0.20", "0.05", "0.010", "320, 240, 400, 320",
    ]  # fmt: skip
    assert objects[1].startswith("blue tray\tdestination\t0.80\t1.50\t-0.40\t0.02")
    rows = [row.split("\t") for row in page("#tokens tbody tr").all_inner_texts()]
    cells = f"⟨{', '.join(map(str, EXECUTE.tokens[1]))}⟩"
    assert rows[1] == ["0.45", cells, "go_to", "0.504", "0.102", "–", "0.198"]
    assert len(rows) == 2


def test_a_decision_without_images_shows_the_last_ones_and_says_so(opened) -> None:
    run = at(RUN, [i * 10**8 for i in range(40)], [0] * 20 + [1] * 20)
    page = opened(replay_page(run, images_of(4, 9)))
    expect(page("#overlay")).to_be_hidden()
    expect(page("#no-overlay")).to_have_text(
        "No image was kept of this decision, nor of one before it."
    )
    page.press(*["ArrowRight"] * 4)
    assert (width_of_image(page), width_of_image(page, "top-view")) == (104, 104)
    expect(page("#overlay-caption")).to_have_text("Camera, with masks and labels")
    page.press(*["ArrowRight"] * 3)
    assert width_of_image(page) == 104
    expect(page("#overlay-caption")).to_have_text(
        "Not of this decision, but of no. 5, 0.30 s earlier (EXECUTE)"
    )
    expect(page("#top-caption")).to_have_class("borrowed")
    page.press(*["ArrowRight"] * 2)
    assert width_of_image(page) == 109
    expect(page("#top-figure")).to_be_hidden()
    expect(page("#sketch")).to_be_visible()  # in its place
    page.press(*["ArrowRight"] * 11)
    expect(page("#overlay")).to_be_hidden()  # another era's would mislead


def test_one_decision_and_none_are_pages_too(opened) -> None:
    page = opened(replay_page(replay(EXECUTE), {}))
    page.click_timeline(0.9)
    assert page.title == "Decision 1 of 1"
    expect(page("#no-overlay")).to_have_text("No images were kept.")
    expect(page("#next")).to_be_disabled()
    empty = opened(replay_page(replay(), {}))
    expect(empty(".nothing")).to_have_text("No decision was made.")
    missing = opened(compared(RUN, replay()))
    expect(missing(".difference .jump").first).to_be_disabled()
    missing.page.keyboard.press("ArrowRight")


def test_a_run_that_jumps_in_time_has_an_axis_in_parts(opened) -> None:
    times = [*range(10), *range(10), *range(7210, 7230)]
    run = at(RUN, [t * 10**9 for t in times], [0] * 10 + [1] * 30)
    page = opened(replay_page(run, {}))
    expect(page("#timeline .cut")).to_have_count(2)
    page.click_timeline(0.39)  # the middle of the second part
    assert page.chosen == 15
    page.click_timeline(0.645)
    assert page.chosen == 25
    expect(page("#time")).to_contain_text("2:00:15")


def test_numbers_that_are_none_are_dashes(opened) -> None:
    page = opened(replay_page(replay(replace(EXECUTE, confidence=NAN), EXECUTE, seconds=NAN), {}))
    assert page("#measures dd").all_inner_texts()[:2] == ["–", "–"]
    page.click_timeline(0.2)
    assert page.chosen == 0


def test_what_strangers_say_does_nothing(opened) -> None:
    thing = replace(EXECUTE.objects[0], phrase=HOSTILE)
    bad = replace(
        EXECUTE, instruction=HOSTILE, message=HOSTILE, trace=HOSTILE, skill=HOSTILE,
        reason=HOSTILE, objects=(thing,),
    )  # fmt: skip
    run = replace(replay(bad, EXECUTE, **{HOSTILE: HOSTILE}), notes=(HOSTILE,))
    comparison = compare(replay(EXECUTE, bad), run)
    page = opened(replay_page(run, {}, comparison, (), HOSTILE))
    expect(page("#said")).to_have_text(f"“{HOSTILE}”")
    page.press("ArrowRight", "ArrowLeft")
    assert page.page.title() == HOSTILE
    expect(page("img:not(#overlay, #top-view)")).to_have_count(0)


def test_a_long_text_scrolls_in_its_place(opened) -> None:
    long = replace(HOLD, instruction="x" * 5000, message="y" * 5000, trace="z" * 500)
    page = opened(replay_page(replay(long), {}), viewport=PHONE)
    assert page("#said").bounding_box()["height"] < 200
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 390


# Against a baseline


def test_a_difference_leads_to_its_decision(opened) -> None:
    page = opened(compared(changed(RUN, {12: HOLD, 30: EXECUTE}), RUN, (12,)))
    rows = page(".difference")
    expect(rows).to_have_count(2)
    assert page.chosen == 12  # the first that differs
    first = rows.nth(0)
    before, now = first.locator(".side").all()
    assert before.locator("h4, p").all_inner_texts() == [
        "baseline", "HOLD TARGET_NOT_FOUND 0.00", "no red cup is seen",
    ]  # fmt: skip
    assert now.locator("h4, p").all_inner_texts() == [
        "now", "EXECUTE go_to 0.88", "target red cup (1.00, 0.20, 0.05)",
        "destination blue tray (1.50, -0.40, 0.02)",
    ]  # fmt: skip
    assert first.locator(".pill.bad").inner_text() == "moves where it stood"
    rows.nth(1).click(position={"x": 300, "y": 60})
    assert page.chosen == 30
    expect(rows.nth(1)).to_have_class("panel difference chosen")
    expect(page("#decision")).to_be_in_viewport()
    expect(page("#decision-title")).to_be_focused()
    page("#last-difference").click()
    assert page.chosen == 12
    expect(page("#last-difference")).to_be_disabled()
    verdicts = page("#against tr.changed").first.inner_text().split("\t")
    assert verdicts == ["verdict", "HOLD", "EXECUTE"]
    expect(page("#tokens-before")).to_contain_text("⟨0, 255, 255, 255, 255⟩")


def test_moved_waypoints_are_drawn_over_each_other(opened) -> None:
    page = opened(compared(RUN, changed(RUN, {5: MOVED}), (4, 5, 6)))
    expect(page("#against")).to_contain_text("up to 0.118 m apart")
    expect(page("#against #sketch circle.now")).to_have_count(2)
    expect(page("#against #sketch circle.then")).to_have_count(2)
    page.press("ArrowRight")
    expect(page("#against")).to_be_hidden()
    expect(page("#sketch")).to_be_hidden()
    expect(page("#tokens-before-part")).to_be_hidden()


def test_differences_are_filtered_sorted_and_shown_by_and_by(opened) -> None:
    far = replace(EXECUTE, tokens=tokens((1, 0.9, 0.0, NAN, 0.0), (1, 0.5, 0.1, NAN, 0.2)))
    changes = {2 * i: far if i == 9 else (MOVED if i % 2 else HOLD) for i in range(1, 11)}
    page = opened(compared(RUN, changed(RUN, changes)))
    rows = page(".difference .jump")
    assert page("#filters button").all_inner_texts()[:2] == ["all 10", "verdict 5"]
    expect(rows).to_have_count(6)
    page("#more").click()
    expect(rows).to_have_count(10)
    expect(page("#more")).to_be_hidden()
    expect(rows.nth(6)).to_be_focused()
    page(
        "#filters button",
    ).filter(has_text="waypoints").click()
    assert rows.all_inner_texts() == ["0.20 s", "0.60 s", "1.00 s", "1.40 s", "1.80 s"]
    page("select").select_option("distance")
    assert rows.all_inner_texts()[0] == "1.80 s"


def test_differences_alike_are_one_until_they_are_asked_for(opened) -> None:
    page = opened(compared(RUN, changed(RUN, dict.fromkeys(range(5, 15), HOLD))))
    expect(page(".difference")).to_have_count(1)
    page(".alike").click()
    expect(page(".difference")).to_have_count(10)
    assert page.chosen == 5
    page(".difference").nth(9).click(position={"x": 300, "y": 60})
    assert page.chosen == 14


def test_a_missing_decision_leads_to_the_nearest(opened) -> None:
    kept = [i for i in range(40) if i != 20]
    run = with_decisions(RUN, [RUN.decisions[i] for i in kept], [0.1] * 39)
    page = opened(compared(RUN, run))
    row = page(".difference")
    expect(row.locator(".side").nth(1)).to_have_text("nowno decision")
    page.press("ArrowLeft", "ArrowLeft")
    row.locator(".jump").click()
    assert page.chosen == 19
    new = opened(compared(run, RUN))
    expect(new("#against")).to_have_text("The baseline has no decision on this image")


def test_thresholds_lead_to_decisions(opened) -> None:
    page = opened(compared(RUN, changed(RUN, {12: HOLD, 17: HOLD})))
    link = page("#exceeded tr").filter(has_text="verdict").locator("button").nth(1)
    expect(link).to_have_text("1.70 s")
    link.click()
    assert page.chosen == 17


def test_markers_stand_where_decisions_differ_and_instructions_change(opened) -> None:
    page = opened(compared(RUN, changed(RUN, {10: HOLD, 20: HOLD})))
    boxes = page("#differs").get_attribute("d").split("M")[1:]
    width = page("#timeline svg").bounding_box()["width"]
    places = [float(box.split()[0]) / width for box in boxes]
    assert places == pytest.approx([0.25, 0.5], abs=0.001)
    turns = [float(t.get_attribute("x1")) / width for t in page("#timeline .turn").all()]
    assert turns == pytest.approx([22 / 40, 28 / 40], abs=0.001)
    fill = page("#timeline path.execute").first.evaluate("path => getComputedStyle(path).fill")
    assert fill == "rgb(70, 205, 125)"


# On any screen


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_a_phone(opened, scheme: str) -> None:
    baseline = changed(RUN, {12: HOLD, 30: EXECUTE, 5: MOVED})
    page = opened(compared(baseline, RUN, (0, 12)), viewport=PHONE, color_scheme=scheme)
    for place in (5, 12, 30):
        page.page.evaluate(f"choose({place})")
        assert page.page.evaluate("document.documentElement.scrollWidth") <= 390
        outside = page.page.evaluate("""
            [...document.querySelectorAll("main *")].filter(node => !node.closest(".wide")
              && !node.closest("svg") && node.getBoundingClientRect().right > 390.5)
              .map(node => node.outerHTML.slice(0, 80))
        """)
        assert outside == []
    page("summary").first.click()
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 390
    paper = page("body").evaluate("body => getComputedStyle(body).backgroundColor")
    assert paper == {"light": "rgb(246, 247, 249)", "dark": "rgb(20, 22, 27)"}[scheme]


def test_the_timeline_follows_the_width_of_the_window(opened) -> None:
    page = opened(replay_page(RUN, {}))
    page.page.set_viewport_size(PHONE)
    page.page.wait_for_function(
        "Math.abs(document.querySelector('#timeline svg').viewBox.baseVal.width"
        " - document.querySelector('#timeline').clientWidth) < 1"
    )
    page.click_timeline(0.51)
    assert page.chosen == 20


def test_two_thousand_decisions_are_drawn_in_few_parts(opened) -> None:
    kinds = [EXECUTE] * 30 + [TRAY] * 5 + [HOLD] * 10 + [DONE] * 5
    run = replay(*kinds * 40)
    baseline = changed(run, dict.fromkeys(range(0, 2000, 2), HOLD))
    page = opened(compared(baseline, run, tuple(range(0, 2000, 10))))
    assert page.title == "Decision 1 of 2000"
    expect(page("#timeline *")).not_to_have_count(0)
    assert page.page.evaluate("document.querySelectorAll('*').length") < 1500
    assert page("img").count() == 2
    page.click_timeline(0.75025)
    assert page.chosen == 1500
    assert page.press("ArrowRight", "ArrowRight") == 1502
    page("#timeline").focus()
    assert page.press("End") == 1999


# Many bags


def test_the_page_of_many_bags_links_to_those_of_each(opened, tmp_path: Path) -> None:
    (tmp_path / "a #1").mkdir()
    target = tmp_path / "a #1" / "report.html"
    target.write_text("<title>its report</title>", encoding="utf-8")
    rows = [
        BagRow("fine", {"EXECUTE": 4}, 0, (), 2.0),
        BagRow(HOSTILE, {"HOLD": 3}, 2, ("verdict",), 1.0),
        BagRow("broken", error=HOSTILE),
    ]
    html = bags_page(rows, {"fine": "a #1/report.html"})
    page = opened(html, viewport=PHONE)
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(page("img")).to_have_count(0)
    assert page("td, th[scope=row]").first.inner_text() == "broken"
    link = page("a")
    assert link.evaluate("link => link.href") == target.as_uri()
