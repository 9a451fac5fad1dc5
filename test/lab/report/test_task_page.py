"""The page holds everything, fetches nothing, and shows texts as they are."""

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser

from episode_records import record

from vlam_ros.lab.evaluation.episode_recorder import EpisodeRecord
from vlam_ros.lab.evaluation.task_figures import figures_of
from vlam_ros.lab.report.task_page import failures_of, task_page

EVIL = "go to <script>alert('x & y')</script> \"now\" $title"
FAILED = record(
    kind="pick up",
    instructions=(EVIL,),
    relational=True,
    success=False,
    wrong_object=True,
    why="acted on <object> 2",
    outcome="HOLD",
    reason="TARGET_NOT_FOUND",
    message="I do not see '<b>red</b> cup'",
    seconds=12.0,
    path=1.0,
    verdicts={"EXECUTE NONE": 3, "HOLD TARGET_NOT_FOUND": 9},
)
FINE = replace(FAILED, name="task-2", seed=2, success=True, wrong_object=False)
HIT = replace(FINE, name="task-3", seed=3, kind="go to", collisions=("chassis crate 0.31 m/s",))
MOVED = replace(FAILED, name="control-1", kind="absent", control=True, outcome="EXECUTE")
RECORDS = {"vlam": [FAILED, FINE, HIT, MOVED], "a <baseline>": [FAILED]}
JPEG = b"\xff\xd8 an image"
VOID = {"meta", "link", "img"}


class Reader(HTMLParser):
    """Checks that tags are closed in order, and keeps tags, attributes and texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(records: dict[str, list[EpisodeRecord]]) -> str:
    figures = figures_of(records, {"model": "<embedded>"})
    return task_page(figures, failures_of(records, lambda variant, record: JPEG))


def test_every_failed_episode_and_every_hit_has_one_card() -> None:
    read = Reader(page_of(RECORDS))
    cards = [a for a in read.all("article") if a["class"] == "panel card"]
    assert [card["id"] for card in cards] == [
        "vlam/task-3",
        "vlam/task-1",
        "vlam/control-1",
        "a <baseline>/task-1",
    ]
    assert cards[1]["data-kind"] == "pick up"
    assert cards[1]["data-ending"] == "TARGET_NOT_FOUND"
    assert cards[2]["data-ending"] == "EXECUTE"


def test_texts_are_shown_as_they_are() -> None:
    page = page_of(RECORDS)
    read = Reader(page)
    assert "<script>alert" not in page
    assert read.texts.count(EVIL) == 4
    assert read.texts.count("acted on <object> 2") == 3
    assert " I do not see '<b>red</b> cup'" in read.texts
    assert "<embedded>" in read.texts
    assert "hit something: chassis crate 0.31 m/s" in "".join(read.texts)


def test_nothing_is_fetched() -> None:
    page = page_of(RECORDS)
    assert re.search(r"https?:|//[a-z]|@import|url\(", page) is None
    read = Reader(page)
    assert read.all("link") == [{"rel": "icon", "href": "data:,"}]
    assert all("src" not in attributes for attributes in read.all("script"))
    sources = {image["src"] for image in read.all("img")}
    assert sources == {f"data:image/jpeg;base64,{base64.b64encode(JPEG).decode()}"}
    assert all(image["loading"] == "lazy" for image in read.all("img"))


def test_cards_can_be_chosen_by_variant_kind_and_ending() -> None:
    read = Reader(page_of(RECORDS))
    names = [select["data-filter"] for select in read.all("select")]
    assert names == ["variant", "kind", "ending"]
    cards = [a for a in read.all("article") if a["class"] == "panel card"]
    assert all(card[f"data-{name}"] for card in cards for name in names)
    options = [option["value"] for option in read.all("option")]
    assert options[:3] == ["", "vlam", "a <baseline>"]


def test_gates_come_first_and_say_whether_they_are_met() -> None:
    page = page_of(RECORDS)
    gates = [a["class"] for a in Reader(page).all("article") if "gate" in a["class"]]
    assert gates == ["panel gate missed"] * 4
    assert (
        page.index('class="panel gate') < page.index("<table>") < page.index('class="panel card"')
    )
    assert "4 of 4 gates missed" in page
    good = [FINE, replace(MOVED, success=True, wrong_object=False)]
    assert "All 4 gates met" in page_of({"vlam": good})


def test_a_page_without_failures_or_without_episodes_says_so() -> None:
    assert "No episode failed." in page_of({"vlam": [FINE]})
    assert "Nothing was measured." in page_of({})


def test_a_failure_without_images_has_a_card_without_them() -> None:
    figures = figures_of(RECORDS)
    read = Reader(task_page(figures, failures_of(RECORDS)))
    assert read.all("img") == []
    assert sum(a["class"] == "panel card" for a in read.all("article")) == 4
