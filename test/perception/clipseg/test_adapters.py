"""Methods in force on a model: identity at first, an effect, exact removal and merging."""

import copy
import sys
from typing import Any

import pytest
import torch
from adapted import distance, embedded_model, outputs, stir, token_batch
from tiny_clipseg import VISION, tiny_model
from torch import Tensor, nn

from vlam_ros.errors import ModelError
from vlam_ros.perception.clipseg.adapters import (
    METHODS,
    Adapter,
    BitFit,
    FullFineTuning,
    LoRA,
    Method,
    PrefixTuning,
    PromptTuning,
    attach,
    method_named,
)
from vlam_ros.perception.clipseg.model import encode_texts

ALL = [method() for method in METHODS.values()]
MERGEABLE = [FullFineTuning(), LoRA(), BitFit()]
SEPARATE = [Adapter(), PrefixTuning(), PromptTuning()]


def name_of(method: Method) -> str:
    return method.name


@pytest.fixture(scope="module", params=[tiny_model, embedded_model], ids=["tiny", "embedded"])
def base(request: pytest.FixtureRequest) -> Any:
    """A model that no test changes for good."""
    return request.param()


@pytest.fixture(scope="module")
def plain(base: Any) -> dict[str, Tensor]:
    return outputs(base)


@pytest.mark.parametrize("method", ALL, ids=name_of)
def test_a_method_begins_as_the_identity_acts_on_every_way_and_is_removed_exactly(
    base: Any, plain: dict[str, Tensor], method: Method
) -> None:
    adaptation = attach(base, method)
    at_first = outputs(base)
    stirred = outputs(stir(adaptation).model)
    adaptation.remove()
    assert method.identity == (distance(at_first, plain) <= 1e-6)
    changed = {name for name in plain if (stirred[name] - plain[name]).abs().max() > 1e-3}
    assert changed == set(plain) - ({"tokens"} if method == PromptTuning() else set())
    assert torch.allclose(stirred["masks"], stirred["forward"], atol=1e-4)
    assert distance(outputs(base), plain) == 0.0


@pytest.mark.parametrize("method", MERGEABLE, ids=name_of)
def test_a_merged_model_gives_the_same_and_has_the_layers_of_its_base(
    base: Any, method: Method
) -> None:
    model = copy.deepcopy(base).double()
    names = [(name, type(module)) for name, module in model.named_modules()]
    adaptation = stir(attach(model, method))
    adapted = outputs(model)
    adaptation.merge()
    assert distance(outputs(model), adapted) < 1e-9
    assert [(name, type(module)) for name, module in model.named_modules()] == names
    assert model.state_dict().keys() == base.state_dict().keys()
    assert not hasattr(model, "peft_config")
    attach(model, BitFit())  # it counts as a base of its own


def test_merging_in_float32_moves_a_layers_outputs_by_less_than_a_millionth() -> None:
    model = tiny_model()
    name = "clip.vision_model.encoder.layers.1.mlp.fc1"
    adaptation = stir(attach(model, LoRA()))
    states = torch.randn(5, VISION["hidden_size"], generator=torch.Generator().manual_seed(2))
    adapted = model.get_submodule(name)(states)
    adaptation.merge()
    assert torch.allclose(model.get_submodule(name)(states), adapted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", SEPARATE, ids=name_of)
def test_what_is_no_plain_layer_says_that_it_cannot_be_merged(method: Method) -> None:
    model = tiny_model()
    adaptation = attach(model, method)
    adapted = outputs(model)
    with pytest.raises(ModelError, match=f"{method.name} cannot be merged"):
        adaptation.merge()
    assert distance(outputs(model), adapted) == 0.0


def test_a_diverged_training_is_not_merged() -> None:
    adaptation = attach(tiny_model(), LoRA())
    next(iter(adaptation.tensors.values())).detach().fill_(float("nan"))
    with pytest.raises(ModelError, match="not finite: the training has diverged"):
        adaptation.merge()


def test_a_lora_of_rank_8_on_1024_by_1024_learns_16384_numbers() -> None:
    model = tiny_model(
        vision_config={**VISION, "hidden_size": 1024, "num_hidden_layers": 1, "image_size": 160},
        extract_layers=[0],
    )
    adaptation = attach(model, LoRA(rank=8, layers=("q_proj",), parts=("vision",)))
    assert adaptation.trainable == 16_384
    layer = model.clip.vision_model.encoder.layers[0].self_attn.q_proj.base_layer
    assert adaptation.trainable / layer.weight.numel() == 0.015625  # 1.56 %


@pytest.mark.parametrize(
    ("name", "trainable"),
    [
        ("full", 2_826_242),
        ("lora", 207_872),
        ("adapter", 97_504),
        ("prefix", 23_552),
        ("bitfit", 16_641),
        ("prompt", 512),
    ],
)
def test_trainable_parameters_of_the_embedded_model(name: str, trainable: int) -> None:
    adaptation = attach(embedded_model(), METHODS[name]())
    assert adaptation.trainable == trainable
    assert adaptation.share == pytest.approx(trainable / 2_826_242)
    assert f"{name}: {trainable:,} parameters" in str(adaptation)


@pytest.mark.parametrize("name", ["full", "lora", "adapter", "prefix", "bitfit"])
@pytest.mark.parametrize("part", ["vision", "text", "decoder"])
def test_a_method_can_be_confined_to_a_part(name: str, part: str) -> None:
    model = tiny_model()
    plain = outputs(model)
    stir(attach(model, method_named(name, {"parts": (part,)})))
    tuned = outputs(model)
    changed = {name for name in plain if not torch.equal(tuned[name], plain[name])}
    own = {"vision": {"tokens"}, "text": {"texts"}, "decoder": set()}[part]
    assert changed == {"masks", "forward"} | own


def test_bitfit_changes_biases_only() -> None:
    model = tiny_model()
    names = [name for name, _ in model.named_parameters() if name.endswith("bias")]
    assert list(attach(model, BitFit()).tensors) == names


def test_lora_adds_alpha_over_rank_times_b_a() -> None:
    model = tiny_model()
    base = model.decoder.layers[0].mlp.fc2.weight.detach().clone()
    adaptation = stir(attach(model, LoRA(rank=3, alpha=6)))
    name = "decoder.layers.0.mlp.fc2"
    a, b = (adaptation.tensors[f"{name}.lora_{side}"] for side in "AB")
    adaptation.merge()
    assert a.shape == (3, 64)
    assert torch.allclose(model.decoder.layers[0].mlp.fc2.weight, base + 2 * b @ a, atol=1e-7)


def test_a_bottleneck_adds_what_its_two_layers_make_of_the_output() -> None:
    model = tiny_model()
    linear = model.decoder.layers[0].mlp.fc2
    adaptation = stir(attach(model, Adapter(width=5)))
    name = "decoder.layers.0.mlp.fc2"
    t = {side: adaptation.tensors[f"{name}.{side}"] for side in ("down.weight", "up.weight")}
    states = torch.randn(4, 64, generator=torch.Generator().manual_seed(3))
    output = linear(states)
    inner = nn.functional.gelu(
        output @ t["down.weight"].T + adaptation.tensors[f"{name}.down.bias"]
    )
    expected = output + inner @ t["up.weight"].T + adaptation.tensors[f"{name}.up.bias"]
    assert torch.allclose(model.get_submodule(name)(states), expected, atol=1e-6)


def test_a_prefix_adds_what_each_head_reads_from_its_keys_and_values() -> None:
    model = tiny_model()
    attention = model.clip.vision_model.encoder.layers[0].self_attn
    states = torch.randn(1, 3, 64, generator=torch.Generator().manual_seed(4))
    plain = attention(states)[0]
    adaptation = stir(attach(model, PrefixTuning(length=2)))
    name = "clip.vision_model.encoder.layers.0.self_attn"
    keys, values = (adaptation.tensors[f"{name}.{kind}"] for kind in ("keys", "values"))
    queries = attention.q_proj(states)[0]
    read = torch.zeros(3, 64)
    for token in range(3):
        for head in range(4):
            part = slice(16 * head, 16 * head + 16)
            scores = torch.stack([queries[token, part] @ keys[p, head] for p in range(2)]) / 4
            weights = scores.softmax(0)
            read[token, part] = weights[0] * values[0, head] + weights[1] * values[1, head]
    expected = plain + read @ attention.out_proj.weight.T
    assert torch.allclose(model.get_submodule(name)(states)[0], expected, atol=1e-6)


@torch.no_grad()
def test_a_context_stands_between_the_start_and_the_words() -> None:
    model = tiny_model()
    tower = model.clip.text_model
    tokens = token_batch(model, ("red cup",))
    words = tower.embeddings(tokens.input_ids)
    adaptation = stir(attach(model, PromptTuning(length=3)))
    context = adaptation.tensors["clip.text_model.embeddings.context"]
    states = torch.cat([words[:, :1], context[None], words[:, 1:]], dim=1)
    length = states.shape[1]
    causal = torch.full((length, length), -1e9).triu(1)[None, None]
    for layer in tower.encoder.layers:
        states = layer(states, causal)
    expected = model.clip.text_projection(tower.final_layer_norm(states[:, -1]))
    ours = encode_texts(model, tokens.input_ids, tokens.attention_mask)
    assert torch.allclose(ours, expected, atol=1e-5)


@torch.no_grad()
def test_with_a_context_a_text_does_not_depend_on_its_neighbours_and_can_be_as_long_as_before() -> (
    None
):
    model = tiny_model()
    stir(attach(model, PromptTuning(length=8)))
    longest = model.config.text_config.max_position_embeddings
    alone = token_batch(model, ("cup",))
    beside = token_batch(model, ("cup", "x" * (longest - 2)))
    assert beside.input_ids.shape[1] == longest
    one = encode_texts(model, alone.input_ids, alone.attention_mask)
    both = encode_texts(model, beside.input_ids, beside.attention_mask)
    assert torch.allclose(both[:1], one, atol=1e-5)


def test_a_context_hardly_moves_texts_before_it_is_trained() -> None:
    model = embedded_model()
    plain = outputs(model)["texts"]
    attach(model, PromptTuning(length=4))
    cosine = nn.functional.cosine_similarity(outputs(model)["texts"], plain)
    assert cosine.min() > 0.98


def test_the_seed_decides_where_a_method_starts_and_the_global_generator_is_left_alone() -> None:
    model = tiny_model()
    state = torch.get_rng_state()

    def start(seed: int) -> Tensor:
        adaptation = attach(model, LoRA(), seed)
        tensor = next(iter(adaptation.tensors.values())).detach().clone()
        adaptation.remove()
        return tensor

    first = start(0)
    assert torch.equal(start(0), first)
    assert not torch.equal(start(1), first)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_second_adapter_is_refused_until_the_first_is_gone() -> None:
    model = tiny_model()
    first = attach(model, LoRA())
    with pytest.raises(ModelError, match="adapted by 'lora' already: merge or remove"):
        attach(model, PromptTuning())
    first.remove()
    attach(model, PromptTuning())
    for undo in (first.merge, first.remove):
        with pytest.raises(ModelError, match="this lora has been merged or removed"):
            undo()


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("dora", {}, "must be one of full, lora, adapter, prefix, bitfit, prompt, got 'dora'"),
        ("lora", {"width": 4}, r"lora has the settings alpha, .*, got \['width'\]"),
        ("lora", {"rank": 0}, "rank must be a whole number in 1..1024, got 0"),
        ("lora", {"rank": 8.0}, "rank must be a whole number"),
        ("lora", {"alpha": 0.5}, "alpha must be a whole number in 1..10000, got 0.5"),
        ("lora", {"layers": ()}, "layers must be a tuple of names"),
        ("adapter", {"width": 10**9}, "width must be a whole number in 1..4096"),
        ("prefix", {"length": True}, "length must be a whole number in 1..512, got True"),
        ("prompt", {"length": -1}, "length must be a whole number in 1..64"),
        ("bitfit", {"parts": ("hands",)}, "parts must be a tuple of some of vision, text, decoder"),
        ("full", {"parts": "text"}, "parts must be a tuple"),
    ],
)
def test_wrong_settings_are_refused(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        method_named(name, settings)


def test_layers_that_the_model_does_not_have_are_named_and_nothing_is_changed() -> None:
    model = tiny_model()
    plain = outputs(model)
    with pytest.raises(ModelError, match=r"no linear layers \['qkv'\] in text"):
        attach(model, LoRA(layers=("q_proj", "qkv"), parts=("text",)))
    assert distance(outputs(model), plain) == 0.0
    attach(model, LoRA())


def test_without_peft_a_lora_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model()
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ModelError, match="pip install peft"):
        attach(model, LoRA())
    attach(model, Adapter())
