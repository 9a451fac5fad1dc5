"""The pages of the closed loop and of trainings in Chromium."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from episode_records import record
from opened_page import PHONE
from playwright.sync_api import expect

from vlam_ros.lab.evaluation.task_figures import figures_of
from vlam_ros.lab.report.task_page import failures_of, task_page
from vlam_ros.lab.report.training_page import TrainingReport, write_report
from vlam_ros.lab.training.fit import Log
from vlam_ros.lab.training.grounding import Metrics

HOSTILE = "</script><img src=x onerror=\"document.title='taken over'\"><b style='color:red'>"
FAILED = record(
    success=False, why=HOSTILE, instructions=(HOSTILE,), outcome="HOLD", reason="NO_POSITION"
)
RECORDS = {
    "vlam": [FAILED, replace(FAILED, name="task-2", seed=2, kind="pick up"), record(seed=3)],
    "baseline": [FAILED],
}


def test_cards_are_those_of_what_is_chosen(opened) -> None:
    page = opened(task_page(figures_of(RECORDS), failures_of(RECORDS)))
    expect(page(".card:visible")).to_have_count(3)
    expect(page("output")).to_have_text("3 of 3")
    page("[data-filter=variant]").select_option("vlam")
    expect(page(".card:visible")).to_have_count(2)
    page("[data-filter=kind]").select_option("pick up")
    expect(page("output")).to_have_text("1 of 3")
    assert page.page.title() == "Closed-loop evaluation"
    expect(page(".why").first).to_have_text(HOSTILE)
    fill = page(".end .hold").first.evaluate("node => getComputedStyle(node).backgroundColor")
    assert fill == "rgb(255, 184, 48)"


def test_a_scale_is_drawn_to_its_figures(opened) -> None:
    page = opened(task_page(figures_of(RECORDS), []))
    scale = page(".gate .scale").first
    width = scale.bounding_box()["width"]
    at = {
        tag: scale.locator(tag).bounding_box()["x"] - scale.bounding_box()["x"]
        for tag in ("b", "u")
    }
    assert at["b"] / width == pytest.approx(1 / 3, abs=0.02)
    assert at["u"] / width == pytest.approx(0.85, abs=0.02)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_on_a_phone(opened, tmp_path: Path, scheme: str) -> None:
    figures = Metrics(0.75, 0.0, 0.5, ("box", "star"), torch.tensor([[3, 1], [0, 2]]))
    report = TrainingReport(HOSTILE, {"model": "x"}, {"new": figures}, {"new": figures}, [])
    Log(tmp_path).add({"step": 0, "loss": {"masks": 1.0}})
    write_report(report, tmp_path, tmp_path / "page.html")
    training = (tmp_path / "page.html").read_text()
    page = opened(training, viewport=PHONE, color_scheme=scheme)
    shade = "node => getComputedStyle(node).backgroundColor"
    shades = [cell.evaluate(shade) for cell in page(".confusion i").all()]
    assert len(set(shades)) == 4
    tasks = opened(
        task_page(figures_of(RECORDS), failures_of(RECORDS)), viewport=PHONE, color_scheme=scheme
    )
    for each in (page, tasks):
        assert each.page.evaluate("document.documentElement.scrollWidth") <= 390
