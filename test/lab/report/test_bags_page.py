import re

import pytest

from vlam_ros.lab.replay.table import BagRow
from vlam_ros.lab.report.bags_page import bags_page

FINE = BagRow("fine", {"EXECUTE": 3, "HOLD": 1}, 0, (), 2.0)
DIFFERS = BagRow("differs", {"EXECUTE": 4}, 2, (), 3.0)
OVER = BagRow("over", {"HOLD": 4}, 4, ("verdict", "skill"), 4.0)
BROKEN = BagRow("broken", error="no images in it: map a topic with --map")


def rows_of(page: str) -> list[list[str]]:
    """The texts of the table's rows."""
    body = page[page.index("<tbody>") : page.index("</tbody>")]
    rows = [re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row) for row in body.split("<tr")[1:]]
    return [[re.sub("<.*?>", "", cell) for cell in row] for row in rows]


def test_what_failed_comes_first_then_what_passed_thresholds_over_then_what_differs() -> None:
    page = bags_page([FINE, DIFFERS, BROKEN, OVER], {})
    assert rows_of(page) == [
        ["broken", "0", "0", "0", "0", "–", "–", "0.0", BROKEN.error],
        ["over", "4", "0", "4", "0", "4", "verdict, skill", "4.0", "–"],
        ["differs", "4", "4", "0", "0", "2", "–", "3.0", "–"],
        ["fine", "4", "3", "1", "0", "0", "–", "2.0", "–"],
        ["all 4", "12", "7", "5", "0", "6", "in 1", "9.0", "in 1"],
    ]


def test_what_needs_attention_is_said_above_the_table() -> None:
    page = bags_page([FINE, DIFFERS, BROKEN, OVER], {})
    above = page[: page.index("<table")]
    assert re.findall(r'<article .*?<b><span dir="auto">(.*?)</span></b>', above) == [
        "broken", "over",
    ]  # fmt: skip
    assert BROKEN.error in above
    assert "verdict, skill" in above
    assert "4 bags, 1 failed, 1 passed thresholds over, 2 with differences to the baseline" in above
    assert 'class="panel verdict bad"' in above


def test_bags_without_faults_need_no_attention() -> None:
    page = bags_page([FINE, FINE], {})
    assert "What needs attention" not in page
    assert 'class="panel verdict good"' in page
    assert "<span>2 bags</span>" in page


@pytest.mark.parametrize(
    ("file", "address"),
    [
        ("kitchen/report.html", "./kitchen/report.html"),
        ("a b#1?.html", "./a%20b%231%3F.html"),
        ("javascript:alert(1)", "./javascript%3Aalert%281%29"),
        ('x" onclick="y.html', "./x%22%20onclick%3D%22y.html"),
        ("caf\udce9.html", "./caf%E9.html"),
    ],
)
def test_a_bag_links_to_its_page_whatever_that_is_called(file: str, address: str) -> None:
    page = bags_page([FINE, OVER], {"over": file})
    assert re.findall('href="(.*?)"', page) == [
        "data:,",
        address,
        address,
    ]  # above and in the table


def test_a_row_has_a_bar_of_its_verdicts() -> None:
    page = bags_page([FINE], {})
    assert re.findall(r'<rect class="(\w+)" x="(.*?)" width="(.*?)"', page) == [
        ("execute", "0.00", "75.00"), ("hold", "75.00", "25.00"), ("done", "100.00", "0.00"),
    ]  # fmt: skip


def test_names_and_errors_are_text() -> None:
    hostile = "<img src=x onerror=alert(1)>\udc80"
    page = bags_page([BagRow(hostile, error=hostile)], {hostile: "a.html"}, hostile)
    page.encode()
    assert "<img" not in page
    assert page.count("&lt;img src=x onerror=alert(1)&gt;?") == 6


def test_the_page_runs_and_loads_nothing() -> None:
    page = bags_page([FINE], {"fine": "fine.html"})
    assert "script-src 'none'" in page
    assert "<script" not in page
    assert "style=" not in page


def test_no_bags_are_a_page_too() -> None:
    page = bags_page([], {})
    assert "<span>0 bags</span>" in page
    assert "<table" not in page
