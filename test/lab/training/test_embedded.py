"""Training of the embedded model: it goes on exactly where it was stopped, each term teaches its
parts and no others, and the checkpoint loads as any other.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from torch import nn
from transformers import CLIPSegForImageSegmentation, CLIPSegProcessor

from vlam_ros.errors import LearningError
from vlam_ros.lab.generators.vocabulary import vocabulary
from vlam_ros.lab.training import generative_heads
from vlam_ros.lab.training.embedded import (
    SATURATED,
    SPREAD,
    attention_spread,
    export,
    fit_embedded,
    settle_decoder,
    train_embedded,
)
from vlam_ros.lab.training.embedded_batches import EmbeddedBatches
from vlam_ros.lab.training.embedded_losses import EmbeddedLosses, term_weights
from vlam_ros.lab.training.fit import STATE, Log
from vlam_ros.lab.training.fit.parts import read_state, write_state
from vlam_ros.lab.training.generative_heads import NO_BYTE, ImageModelling
from vlam_ros.lab.training.recipe import (
    TERMS,
    Recipe,
    Stage,
    build_model,
    build_tokenizer,
)
from vlam_ros.lab.training.scenes import SceneData
from vlam_ros.perception.clipseg import ClipsegGrounder, load_checkpoint
from vlam_ros.perception.clipseg.model import decode_masks, encode_pixels, encode_texts
from vlam_ros.resources import resource_path

SENTENCES = Stage("sentences", steps=2, crops=0, scenes=0, window=0, prompts=0, rate=2e-3)


@pytest.fixture(scope="module")
def full(recipe: Recipe) -> Recipe:
    """All terms and all kinds of stages."""
    weights = dict.fromkeys(TERMS, 1.0)
    return replace(recipe, stages=(*recipe.stages, SENTENCES), loss_weights=weights)


def losses_of(recipe: Recipe) -> EmbeddedLosses:
    tokenizer = build_tokenizer(recipe)
    return EmbeddedLosses(build_model(recipe, tokenizer), tokenizer, recipe.terms)


@pytest.mark.parametrize("balance", ["weights", "uncertainty"])
def test_a_resumed_run_ends_where_an_unbroken_one_does(
    balance: str, full: Recipe, data: SceneData, tmp_path: Path
) -> None:
    full = replace(full, balance=balance)
    unbroken, fit = fit_embedded(full, data, tmp_path / "one")
    fit.run()
    fit_embedded(full, data, tmp_path / "two")[1].run(until=5)
    # What one draws in between has no part in it.
    torch.manual_seed(99)
    resumed, fit = fit_embedded(full, data, tmp_path / "two")
    assert fit.step == 5
    fit.run()
    ours = dict(resumed.named_parameters())
    for name, value in unbroken.named_parameters():
        torch.testing.assert_close(value, ours[name], rtol=0, atol=0)
    one, two = (read_state(tmp_path / name / STATE)["values"] for name in ("one", "two"))
    for name, value in one.items():
        torch.testing.assert_close(value, two[name], rtol=0, atol=0)


@pytest.mark.parametrize("cpu", [{"avx512_bf16": True}, {"avx512_bf16": False}, {}])
def test_training_is_in_bfloat16_where_the_cpu_calculates_in_it(
    cpu: dict[str, bool],
    recipe: Recipe,
    data: SceneData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: cpu)
    auto = fit_embedded(replace(recipe, dtype="auto"), data, tmp_path / "auto")[1]
    asked = fit_embedded(replace(recipe, dtype="bfloat16"), data, tmp_path / "asked")[1]
    assert (auto.settings.dtype == "bfloat16") == bool(cpu.get("avx512_bf16"))
    assert asked.settings.dtype == "bfloat16"


def test_a_run_can_begin_with_an_earlier_checkpoint(
    full: Recipe, recipe: Recipe, data: SceneData, tmp_path: Path
) -> None:
    first, fit = fit_embedded(recipe, data, tmp_path / "first")
    fit.run()
    export(recipe, first, tmp_path / "model")
    start = load_checkpoint(tmp_path / "model", "cpu", "float32")
    task, fit = fit_embedded(full, data, tmp_path / "second", start)
    ours = dict(task.model.named_parameters())
    for name, value in first.model.named_parameters():
        torch.testing.assert_close(value.float(), ours[name], rtol=0, atol=0)
    fit.run(until=1)
    with pytest.raises(LearningError, match=rf"another about, 'recipe {full.digest} from \w+' i"):
        fit_embedded(full, data, tmp_path / "second")
    # Heads are in no weight's shape.
    for change, wrong in (
        ({"text_width": 64}, r"clip.* is \[\d+, 32\], not \[\d+, 64\]"),
        ({"text_heads": 4}, r"text_config.num_attention_heads is 2, not 4"),
        ({"extract_layers": (0, 0)}, r"extract_layers is \[0, 1\], not \[0, 0\]"),
    ):
        other = replace(full, model=replace(full.model, **change))
        with pytest.raises(LearningError, match=f"model is another model than .*: {wrong}"):
            fit_embedded(other, data, tmp_path / "third", start)


def test_a_decoder_whose_attention_is_dead_attends_again_and_draws_nearly_the_same() -> None:
    model = load_checkpoint("embedded-1", "cpu", "float32").model
    torch.manual_seed(0)
    pixels, texts = torch.randn(6, 3, 160, 160), 2 * torch.randn(6, 128)

    def draws() -> tuple[torch.Tensor, list[float], float]:
        spreads: list[float] = []
        hooks = [
            layer.register_forward_pre_hook(
                lambda layer, given: spreads.append(attention_spread(layer.self_attn, given[0]))
            )
            for layer in model.decoder.layers
        ]
        model.zero_grad()
        masks = decode_masks(
            model, encode_pixels(model, pixels).activations, texts, torch.arange(6)
        )
        masks.square().mean().backward()
        for hook in hooks:
            hook.remove()
        query = model.decoder.layers[0].self_attn.q_proj.weight
        return masks.detach(), spreads, float((query.grad * query.detach()).norm())

    before, dead, nothing = draws()
    settle_decoder(model, pixels, texts)
    after, alive, something = draws()
    assert min(dead) > SATURATED
    assert alive == pytest.approx([SPREAD] * 2, rel=1e-3)
    assert (after - before).abs().mean() < 0.15 * before.abs().mean()
    assert something > nothing
    settled = copy.deepcopy(model.state_dict())
    settle_decoder(model, pixels, texts)
    assert all(torch.equal(value, settled[name]) for name, value in model.state_dict().items())


def test_a_decoder_that_does_not_train_stays_as_it_is(data: SceneData, tmp_path: Path) -> None:
    recipe = Recipe.load(resource_path("config/embedded.yaml"))
    start = load_checkpoint("embedded-1", "cpu", "float32")
    before = start.model.decoder.state_dict()
    for stages, kept in (((SENTENCES,), True), (recipe.stages[:1], False)):
        task, _ = fit_embedded(replace(recipe, stages=stages), data, tmp_path / str(kept), start)
        after = task.model.decoder.state_dict()
        assert all(torch.equal(after[name], before[name]) for name in before) == kept


def test_a_run_with_new_words_keeps_what_known_tokens_mean(
    recipe: Recipe, data: SceneData, tmp_path: Path
) -> None:
    few = replace(recipe, model=replace(recipe.model, vocabulary=300))
    start_task, _ = fit_embedded(few, data, tmp_path / "first")
    export(few, start_task, tmp_path / "model")
    start = load_checkpoint(tmp_path / "model", "cpu", "float32")
    more = replace(recipe, words="new")
    task, _ = fit_embedded(more, data, tmp_path / "second", start)
    own, known = task.tokenizer.get_vocab(), start.tokenizer.get_vocab()
    assert len(own) > len(known)
    ours, theirs = (
        m.clip.text_model.embeddings.token_embedding.weight for m in (task.model, start.model)
    )
    for token in ("red</w>", "a", "<|endoftext|>"):
        assert torch.equal(ours[own[token]], theirs[known[token]])
    assert task.model.config.text_config.eos_token_id == len(own) - 1
    kept, _ = fit_embedded(recipe, data, tmp_path / "third", start)
    assert kept.tokenizer.get_vocab() == known


def test_every_part_of_the_model_learns(recipe: Recipe, data: SceneData, tmp_path: Path) -> None:
    task, fit = fit_embedded(recipe, data, tmp_path)
    before = {name: p.clone() for name, p in task.model.named_parameters()}
    fit.run()
    stuck = [n for n, p in task.model.named_parameters() if torch.equal(p, before[n])]
    # A bias of the keys shifts all attention scores of a query alike: it cannot learn.
    assert [n for n in stuck if "k_proj.bias" not in n] == []


@pytest.mark.parametrize(
    ("term", "taught"),
    [
        ("contrast", {"vision", "text"}),
        ("skills", {"text"}),
        ("masks", {"vision", "text", "decoder"}),
        ("absence", {"vision", "text", "decoder"}),
        ("regions", {"vision", "text"}),
        ("matching", {"vision", "text", "decoder"}),
        ("image_modelling", {"vision", "image_modelling"}),
        ("word_modelling", {"text", "word_modelling"}),
        ("captions", {"vision", "text", "captioning"}),
    ],
)
def test_a_term_teaches_its_parts_and_no_others(
    term: str, taught: Collection[str], recipe: Recipe, data: SceneData
) -> None:
    own = replace(recipe, loss_weights={term: 1.0, "skills": float(term == "skills")})
    task, source = losses_of(own), EmbeddedBatches(own, data)
    torch.manual_seed(0)
    for step in (0, 2):  # crops alone, then scenes as well
        losses = task(source.batch(step))
        assert losses
        assert {name.removesuffix("_crops").removesuffix("_scenes") for name in losses} == {term}
        assert set(losses) <= set(term_weights(own.loss_weights))
        assert all(torch.isfinite(loss) for loss in losses.values())
        torch.stack(list(losses.values())).sum().backward()
    parts = {
        "vision": task.model.clip.vision_model,
        "text": task.model.clip.text_model,
        "decoder": task.model.decoder,
        "image_modelling": task.image_modelling,
        "word_modelling": task.word_modelling,
        "captioning": task.captioning,
    }
    moved = {name for name, part in parts.items() if part is not None and gradient(part)}
    assert moved == set(taught)


def gradient(part: nn.Module) -> bool:
    return any(p.grad is not None and bool(p.grad.any()) for p in part.parameters())


def test_a_term_of_weight_0_is_not_computed(recipe: Recipe, data: SceneData) -> None:
    own = replace(recipe, loss_weights={"contrast": 1.0, "captions": 0.0})
    task = losses_of(own)
    assert task.captioning is None
    losses = task(EmbeddedBatches(own, data).batch(2))
    assert set(losses) == {"contrast_crops", "contrast_scenes"}


def test_what_is_asked_of_a_crop_is_decided_by_the_thing_in_its_middle(
    recipe: Recipe, data: SceneData
) -> None:
    crowded = replace(data, crop_labels=np.where(data.crop_labels == 0, 2, data.crop_labels))
    stage = replace(recipe.stages[0], crops=40)
    own = replace(recipe, stages=(stage,))
    batch = EmbeddedBatches(own, crowded).batch(0)
    shown = batch.crops
    assert shown is not None
    answers = shown.truth[shown.which, shown.asked]
    assert set(answers.tolist()) == {-1, 1}
    # Around it there are neighbours only: of them nothing is known, but that they are not nonsense.
    named = shown.asked < batch.nonsense
    middle = shown.labels[shown.which] == 1
    assert torch.equal(shown.judged, middle | ~named[:, None, None])
    assert torch.equal(shown.masks, middle & (answers == 1)[:, None, None])


def test_hidden_patches_cannot_be_seen(
    recipe: Recipe, data: SceneData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generative_heads, "HIDDEN", 1.0)
    model = build_model(recipe, build_tokenizer(recipe))
    images = EmbeddedBatches(recipe, data).batch(0).crops
    assert images is not None
    ImageModelling(model)(model, images.images).backward()
    embeddings = model.clip.vision_model.embeddings
    assert not embeddings.patch_embedding.weight.grad.any()
    assert embeddings.position_embedding.weight.grad.any()
    # What hides them is gone afterwards.
    assert not embeddings.patch_embedding._forward_hooks


def test_no_text_has_the_token_that_hides_words(recipe: Recipe) -> None:
    tokenizer = build_tokenizer(recipe)
    hidden = tokenizer.convert_tokens_to_ids(NO_BYTE)
    assert hidden != tokenizer.unk_token_id
    assert tokenizer.convert_ids_to_tokens(hidden) == NO_BYTE
    assert hidden not in tokenizer(f"{NO_BYTE} is a letter, žluťoučký 猫").input_ids


def test_phrases_are_held_where_the_average_has_them(
    full: Recipe, data: SceneData, tmp_path: Path
) -> None:
    task, fit = fit_embedded(full, data, tmp_path)
    fit.run(until=5)
    batch = EmbeddedBatches(full, data).batch(5)
    assert batch.crops is batch.scenes is None
    drifted = task(batch)["anchor"]
    tokens = task.tokenizer(list(batch.phrases), padding=True, return_tensors="pt")
    own, averages = dict(task.named_parameters()), fit.averages()
    with torch.no_grad():
        now = encode_texts(task.model, tokens.input_ids, tokens.attention_mask)
        for name, value in own.items():
            value.copy_(averages[name])
        known = encode_texts(task.model, tokens.input_ids, tokens.attention_mask)
    expected = 100 * (now - known).square().mean() / known.square().mean()
    torch.testing.assert_close(drifted, expected, rtol=1e-3, atol=1e-4)
    assert expected > 0
    torch.testing.assert_close(task(batch)["anchor"], torch.tensor(0.0), rtol=0, atol=1e-6)


def test_every_colour_is_held_with_every_noun(full: Recipe, data: SceneData) -> None:
    alone = EmbeddedBatches(replace(full, stages=(replace(full.stages[-1], steps=40),)), data)
    said = " | ".join(phrase for step in range(40) for phrase in alone.batch(step).phrases)
    words = vocabulary()
    unsaid = {
        (colour, noun)
        for colour, noun in product(words.colour_names, words.nouns)
        if not any(f"{colour} {name}" in said for name in words.synonyms[noun])
    }
    assert not unsaid


def test_learned_weights_are_of_all_terms_and_logged(
    full: Recipe, data: SceneData, tmp_path: Path
) -> None:
    fit_embedded(replace(full, balance="uncertainty"), data, tmp_path)[1].run()
    records = [record for record in Log(tmp_path).records() if "loss" in record]
    assert set(records[0]["weight"]) == set(term_weights(full.loss_weights))
    assert set(records[0]["loss"]) == set(records[0]["weight"]) - {"anchor"} - {
        name for name in records[0]["weight"] if name.endswith("_scenes")
    }
    assert set(records[-1]["loss"]) == {"skills", "word_modelling", "anchor"}
    # Those of a term that was computed have moved.
    assert records[-1]["weight"]["masks_crops"] != 0.5


def test_each_stage_has_its_rate(full: Recipe, data: SceneData, tmp_path: Path) -> None:
    rates = (1e-3, 5e-4, 2e-3)
    stages = tuple(replace(s, rate=r) for s, r in zip(full.stages, rates, strict=True))
    recipe = replace(full, stages=stages, loss_weights={"skills": 1.0})
    assert [recipe.rates(step) for step in range(6)] == [1e-3, 1e-3, 5e-4, 5e-4, 2e-3, 2e-3]
    fit_embedded(recipe, data, tmp_path)[1].run()
    used = [record["rate"]["rate"] for record in Log(tmp_path).records()]
    shares = [rate / recipe.rates(step) for step, rate in enumerate(used)]
    # One cosine over all stages.
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 1.0


def test_a_state_of_another_recipe_is_refused(
    recipe: Recipe, data: SceneData, tmp_path: Path
) -> None:
    fit_embedded(recipe, data, tmp_path / "a")[1].run(until=1)
    other = replace(recipe, loss_weights={**recipe.loss_weights, "masks": 2.0})
    with pytest.raises(LearningError, match=rf"another about, 'recipe {recipe.digest}' instead of"):
        fit_embedded(other, data, tmp_path / "a")
    (tmp_path / "b").mkdir()
    write_state(tmp_path / "b" / STATE, {"step": 3, "model": {}})  # as trainers before `Fit` did
    with pytest.raises(LearningError, match=r"b has a run with another steps, None instead of 4"):
        fit_embedded(recipe, data, tmp_path / "b")


def test_the_export_is_a_checkpoint_in_float16_without_heads(
    full: Recipe, data: SceneData, tmp_path: Path
) -> None:
    task, _ = fit_embedded(full, data, tmp_path / "run")
    names = set(task.model.state_dict())
    export(full, task, tmp_path / "model")
    for name in ("config.json", "vocab.json", "merges.txt", "calibration.json"):
        assert (tmp_path / "model" / name).is_file()
    model, told = CLIPSegForImageSegmentation.from_pretrained(
        tmp_path / "model", output_loading_info=True
    )
    assert not told["unexpected_keys"]
    assert not told["missing_keys"]
    assert set(model.state_dict()) == names
    assert model.dtype == torch.float16
    processor = CLIPSegProcessor.from_pretrained(tmp_path / "model")
    image = np.zeros((120, 160, 3), np.uint8)
    assert processor(images=image, return_tensors="pt").pixel_values.shape == (1, 3, 160, 160)
    grounder = ClipsegGrounder.from_pretrained(tmp_path / "model")
    features = grounder.encode_image(image)
    assert grounder.segment(features, ["red cup", "box"]).shape == (2, 160, 160)


def test_the_command_renders_trains_and_exports(recipe: Recipe, tmp_path: Path) -> None:
    values = asdict(recipe)
    values["model"]["extract_layers"] = list(recipe.model.extract_layers)
    values["stages"] = list(values["stages"])
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(values | {"images": {"rooms": 2}}))
    threads = torch.get_num_threads()
    try:
        train_embedded(tmp_path / "recipe.yaml", tmp_path / "cache", tmp_path / "out", threads=1)
    finally:
        torch.set_num_threads(threads)
    assert ClipsegGrounder.from_pretrained(tmp_path / "out").calibration is not None
    # A second call finds everything done.
    (log,) = (tmp_path / "cache").glob("run-*/state.pt")
    before = log.stat().st_mtime_ns
    train_embedded(tmp_path / "recipe.yaml", tmp_path / "cache", tmp_path / "out", threads)
    assert log.stat().st_mtime_ns == before
