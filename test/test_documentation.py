"""What README and docs tell people to type: commands are parsed, Python is run, files are read."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from policy_world import settings

from vlam_ros.cli.main import main
from vlam_ros.configuration import check_parameter_file
from vlam_ros.interface import TOPICS
from vlam_ros.ros.decisions import chunk_to_message, hold_chunk
from vlam_ros.types import InstructionRequest, Outcome, Verdict

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(path: Path, *languages: str) -> list[str]:
    """The fenced blocks of a page in one of these languages; "" for those that name none."""
    text = path.read_text(encoding="utf-8")
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [content for language, content in fences if language in languages]


def commands(executable: str) -> Iterator[tuple[str, list[str]]]:
    """The page, and what is typed after the name of an executable, of all lines that begin so."""
    for path in PAGES:
        for block in blocks(path, "", "sh", "bash", "console"):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line.removeprefix("$ "), comments=True) if line else []
                if words[:1] == [executable]:
                    yield path.name, words[1:]


def case(command: tuple[str, list[str]]) -> str:
    return f"{command[0]}: {' '.join(command[1])}"


@pytest.mark.parametrize("command", list(commands("vlam")), ids=case)
def test_the_command_line_takes_what_is_to_be_typed(
    command: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[argparse.Namespace] = []

    def remember(options: argparse.Namespace) -> int:
        parsed.append(options)
        return 0

    monkeypatch.setattr("vlam_ros.cli.main._run", remember)
    assert main(command[1]) == 0
    assert len(parsed) == 1


def test_commands_that_are_named_in_a_sentence_exist(capsys: pytest.CaptureFixture[str]) -> None:
    named = {
        tuple(words.split())
        for path in PAGES
        for words in re.findall(r"`vlam ((?:[a-z-]+ ?)+)", path.read_text(encoding="utf-8"))
    }
    assert ("train", "skill") in named
    for words in named:
        # What follows a command may be a file; the command itself must be known.
        with pytest.raises(SystemExit) as ended:
            main([words[0], "--help"])
        assert ended.value.code == 0, words
        if len(words) > 1 and words[0] in ("train", "evaluate", "data"):
            assert words[1] in capsys.readouterr().out, words


@pytest.mark.parametrize("command", list(commands("make")), ids=case)
def test_what_is_to_be_made_is_in_the_makefile(command: tuple[str, list[str]]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in command[1]:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_what_is_published_by_hand_has_the_type_of_its_topic() -> None:
    published = [words for _, words in commands("ros2") if words[:2] == ["topic", "pub"]]
    assert published
    for words in published:
        place = next(i for i, word in enumerate(words) if word.startswith("/"))
        topic, kind, data = words[place : place + 3]
        assert TOPICS[topic.lstrip("/")].type.replace("/msg/", "/") == kind.replace("/msg/", "/")
        assert isinstance(yaml.safe_load(data)["data"], str)
        # One message is lost if its publisher ends before it was heard.
        assert {"--once", "-w", "--keep-alive"} <= set(words[:place])


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_python_is_run_as_it_stands(path: Path) -> None:
    verdict = Verdict(Outcome.DONE)
    chunk = hold_chunk(settings().action, 0, InstructionRequest("go to the red cup"), verdict)
    for block in blocks(path, "python"):
        names: dict[str, object] = {"message": chunk_to_message(chunk)}
        exec(block, names)
        if "rows" in names:
            assert np.shape(names["rows"]) == (1, 5)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_parameters_are_those_of_the_nodes(path: Path, tmp_path: Path) -> None:
    for block in blocks(path, "yaml"):
        assert yaml.safe_load(block.replace("…", "somebody")) is not None
        if "ros__parameters" in block:
            file = tmp_path / "robot.yaml"
            file.write_text(block)
            check_parameter_file(file)


def test_pages_show_what_is_looked_for() -> None:
    shown = ROOT / "README.md"
    assert blocks(shown, "python"), "or the tests above do nothing"
    assert blocks(shown, "yaml")
    assert {"ask", "replay", "record"} <= {words[0] for _, words in commands("vlam")}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_files_that_are_linked_are_there(path: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target
