"""Training can be stopped, goes on exactly, and leaves a checkpoint that loads as any other."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from transformers import CLIPSegForImageSegmentation, CLIPSegProcessor

from vlam_ros.errors import ConfigurationError
from vlam_ros.learning.embedded import export, train_embedded
from vlam_ros.learning.recipe import Recipe, build_tokenizer
from vlam_ros.learning.scenes import SceneData, load_split, render_split
from vlam_ros.learning.trainer import Trainer
from vlam_ros.perception import Grounder


def test_a_resumed_run_ends_where_an_unbroken_one_does(
    recipe: Recipe, data: SceneData, tmp_path: Path
) -> None:
    unbroken = Trainer(recipe, data, tmp_path / "one")
    unbroken.run()
    Trainer(recipe, data, tmp_path / "two").run(until=2)
    resumed = Trainer(recipe, data, tmp_path / "two")
    assert resumed.step == 2
    resumed.run()
    for a, b in zip(unbroken.model.parameters(), resumed.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_every_part_of_the_model_learns(recipe: Recipe, data: SceneData, tmp_path: Path) -> None:
    trainer = Trainer(recipe, data, tmp_path)
    before = {name: p.clone() for name, p in trainer.model.named_parameters()}
    trainer.run()
    stuck = [n for n, p in trainer.model.named_parameters() if torch.equal(p, before[n])]
    # A bias of the keys shifts all attention scores of a query alike: it cannot learn.
    assert [n for n in stuck if "k_proj.bias" not in n] == []


def test_the_export_is_a_checkpoint_in_float16(
    recipe: Recipe, data: SceneData, tmp_path: Path
) -> None:
    trainer = Trainer(recipe, data, tmp_path / "run")
    export(trainer, tmp_path / "model")
    for name in ("config.json", "vocab.json", "merges.txt", "calibration.json"):
        assert (tmp_path / "model" / name).is_file()
    model = CLIPSegForImageSegmentation.from_pretrained(tmp_path / "model")
    assert model.dtype == torch.float16
    processor = CLIPSegProcessor.from_pretrained(tmp_path / "model")
    picture = np.zeros((120, 160, 3), np.uint8)
    assert processor(images=picture, return_tensors="pt").pixel_values.shape == (1, 3, 160, 160)
    grounder = Grounder.from_pretrained(tmp_path / "model")
    features = grounder.encode_image(picture)
    assert grounder.segment(features, ["red cup", "box"]).shape == (2, 160, 160)


def test_the_command_renders_trains_and_exports(recipe: Recipe, tmp_path: Path) -> None:
    values = asdict(recipe)
    values["model"]["extract_layers"] = list(recipe.model.extract_layers)
    values["stages"] = list(values["stages"])
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(values | {"scenes": 2}))
    threads = torch.get_num_threads()
    try:
        train_embedded(tmp_path / "recipe.yaml", tmp_path / "cache", tmp_path / "out", threads=1)
    finally:
        torch.set_num_threads(threads)
    assert Grounder.from_pretrained(tmp_path / "out").calibration is not None
    # A second call finds everything done.
    log = tmp_path / "cache" / "run" / "state.pt"
    before = log.stat().st_mtime_ns
    train_embedded(tmp_path / "recipe.yaml", tmp_path / "cache", tmp_path / "out", threads)
    assert log.stat().st_mtime_ns == before


def test_the_tokenizer_has_whole_words_and_knows_any_text(recipe: Recipe) -> None:
    tokenizer = build_tokenizer(recipe)
    assert tokenizer.tokenize("pick up the red cup") == [
        f"{word}</w>" for word in "pick up the red cup".split()
    ]
    assert tokenizer.unk_token_id not in tokenizer("žluťoučký 猫").input_ids[1:-1]
    assert tokenizer("cup").input_ids[0] == tokenizer.bos_token_id
    assert tokenizer("cup").input_ids[-1] == tokenizer.eos_token_id == len(tokenizer) - 1


def test_finished_shards_are_not_rendered_again(cache: Path) -> None:
    shard = cache / "train-000000-000006.npz"
    before = shard.stat().st_mtime_ns
    render_split(cache, "train", 6, 160)
    assert shard.stat().st_mtime_ns == before


def test_a_split_that_was_never_rendered_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"train-000000-000010.npz: render the split first"):
        load_split(tmp_path, "train", 10)


def test_a_recipe_with_a_misspelt_entry_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("model: {image_size: 160}\nstages: []\n")
    with pytest.raises(ConfigurationError, match=r"recipe.yaml is not a training recipe"):
        Recipe.load(path)
