"""`vlam train`: the checkpoint that comes with the package, and what is made of one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from vlam_ros.cli.arguments import (
    Subparsers,
    add_model,
    command_parser,
    positive,
    positive_number,
)
from vlam_ros.lab.cli.options import (
    add_choice,
    add_flag,
    add_machine,
    add_option,
    add_out,
    add_threads,
)

METHODS = ("lora", "adapter", "prefix", "bitfit", "prompt", "full")


def add_parser(commands: Subparsers) -> None:
    subjects = commands.add_parser("train", help="train, tune or distil a model").add_subparsers(
        dest="subject", required=True, metavar="SUBJECT"
    )
    _add_embedded(subjects)
    _add_finetune(subjects)
    _add_distil(subjects)
    _add_skill(subjects)
    _add_policy(subjects)


def _add_embedded(subjects: Subparsers) -> None:
    parser = command_parser(
        subjects,
        "embedded",
        "train the small CLIPSeg on simulated scenes",
        "vlam train embedded --out trained && vlam calibrate trained",
        "Render what is missing of the scenes, train, and write a Hugging Face folder. A run that "
        "was stopped goes on where it was.",
    )
    add_option(parser, "--recipe", "FILE", Path, "default: config/embedded.yaml")
    text = "'embedded' or a folder to go on from (default: from nothing)"
    add_option(parser, "--start", "NAME", str, text, "")
    text = "of the scenes, about 4 GB, and of the run's state"
    add_option(parser, "--cache", "DIR", Path, text, Path.home() / ".cache" / "vlam_ros")
    add_out(parser, "of the checkpoint", "trained")
    add_threads(parser)
    parser.set_defaults(run=run_embedded)


def _add_finetune(subjects: Subparsers) -> None:
    parser = command_parser(
        subjects,
        "finetune",
        "teach a checkpoint objects of one's own, from a few images",
        "vlam train finetune cups --replay old --out tuned",
        "Tune a checkpoint to a data set of `vlam data`, and write an adapter's folder for the "
        "parameter model.adapter. A run that was stopped goes on where it was; "
        "for several GPUs start it with torchrun.",
    )
    add_option(parser, "data", "DATA", Path, "folder of the data set")
    add_model(parser)
    add_choice(parser, "--method", METHODS, "what is learned", "lora")
    add_option(parser, "--replay", "DATA", Path, "data set of what must not be forgotten")
    add_flag(parser, "--balance", "learn the weights of the loss terms")
    add_option(
        parser, "--crops", "N", positive, "of new things in a batch, and as many of old ones", 24
    )
    _add_training(parser, steps=200, rate=None, images=1)
    parser.set_defaults(run=run_finetune)


def _add_distil(subjects: Subparsers) -> None:
    parser = command_parser(
        subjects,
        "distil",
        "train a small CLIPSeg to see as a large one does",
        "vlam train distil rooms --teacher CIDAS/clipseg-rd64-refined --out small",
        "Train a student on a teacher's features, similarities and masks, over the images and "
        "phrases of a data set of `vlam data`, and write a Hugging Face folder. A run that was "
        "stopped goes on where it was; for several GPUs start it with torchrun.",
    )
    add_option(parser, "data", "DATA", Path, "folder of the data set")
    add_option(parser, "--teacher", "NAME", str, "'embedded', a folder or a hub id", required=True)
    text = "the same, or a recipe.yaml as config/embedded.yaml for a new one"
    add_option(parser, "--student", "NAME", str, text, "embedded")
    _add_training(parser, steps=2000, rate=5e-4, images=8)
    parser.set_defaults(run=run_distil)


def _add_skill(subjects: Subparsers) -> None:
    parser = command_parser(
        subjects,
        "skill",
        "teach a checkpoint what skills of one's own are called",
        "vlam train skill my_skills.yaml --out tuned",
        "Tune the text tower of a checkpoint to the prompts in a skills file, the old skills' and "
        "the new ones', and write an adapter's folder for the parameter model.adapter. No image "
        "is needed. A run that was stopped goes on where it was.",
    )
    add_option(parser, "skills", "FILE", Path, "of the robot's skills, as config/skills.yaml")
    add_model(parser)
    add_choice(parser, "--method", METHODS, "what of the text tower is learned", "full")
    add_out(parser, "of the adapter")
    add_option(parser, "--steps", "N", positive, "of the optimizer", 1500)
    _add_rate(parser, None)
    add_machine(parser)
    parser.set_defaults(run=run_skill)


def _add_policy(subjects: Subparsers) -> None:
    parser = command_parser(
        subjects,
        "policy",
        "teach an action transformer what was demonstrated",
        "vlam train policy demos corrections --validation held_out --out policy",
        "Train on the shards of `vlam data demos`, of one folder or several, and write a folder "
        "for the parameters policy.kind: transformer and policy.name_or_path. A run that was "
        "stopped goes on where it was.",
    )
    add_option(parser, "demonstrations", "DEMOS", Path, "folders", nargs="+")
    text = "folder of demonstrations of other episodes, by which the best weights are chosen"
    add_option(parser, "--validation", "DEMOS", Path, text, nargs="+", required=True)
    add_model(parser)
    add_out(parser, "of the policy", "policy")
    for name, default, text in (
        ("steps", 6000, "of the optimizer"),
        ("batch", 32, "demonstrations of a step"),
        ("width", 224, "channels of the decoder"),
        ("layers", 4, "of the decoder"),
        ("heads", 7, "of its attentions"),
    ):
        add_option(parser, f"--{name}", "N", positive, text, default)
    add_option(parser, "--rate", "X", positive_number, "peak learning rate", 5e-4)
    text = "the policy whose weights to begin with, 'embedded' or a folder"
    add_option(parser, "--start", "POLICY", str, text, "")
    add_machine(parser)
    parser.set_defaults(run=run_policy)


def _add_training(
    parser: argparse.ArgumentParser, steps: int, rate: float | None, images: int
) -> None:
    """What all trainings of a data set can be told."""
    add_out(parser, "of what is made")
    add_option(parser, "--steps", "N", positive, "of the optimizer", steps)
    add_option(parser, "--images", "N", positive, "of a batch", images)
    add_option(parser, "--accumulate", "N", positive, "batches of a step", 1)
    add_option(parser, "--validate-every", "N", positive, "steps between two validations", 25)
    _add_rate(parser, rate)
    text = "validations without a better one after which to stop; 0: never"
    add_option(parser, "--patience", "N", int, text, 0)
    text = "steps between two looks at how far the loss terms' gradients agree; 0: never"
    add_option(parser, "--cosines-every", "N", int, text, 0)
    text = "take out of each loss term's gradient what works against another's (PCGrad)"
    add_flag(parser, "--surgery", text)
    add_machine(parser)
    parser.add_argument("--dtype", default="auto", help="auto, float32 or bfloat16 (%(default)s)")


def _add_rate(parser: argparse.ArgumentParser, rate: float | None) -> None:
    text = f"peak learning rate ({rate or 'fitting the method'})"
    parser.add_argument("--rate", type=positive_number, default=rate, metavar="X", help=text)


def run_embedded(options: argparse.Namespace) -> int:
    from vlam_ros.lab.training.embedded import train_embedded
    from vlam_ros.resources import resource_path

    recipe = options.recipe or resource_path("config/embedded.yaml")
    train_embedded(recipe, options.cache, options.out, options.threads, options.start)
    print(f"wrote {options.out}; choose its thresholds with `vlam calibrate {options.out}`")
    return 0


def run_finetune(options: argparse.Namespace) -> int:
    from vlam_ros.lab.training.finetune import RATES, WARMUP
    from vlam_ros.lab.training.jobs import finetune_folder

    told = finetune_folder(
        options.model,
        options.data,
        options.out,
        _settings(options, options.rate or RATES[options.method], WARMUP),
        options.method,
        replay=options.replay,
        images=options.images,
        crops=options.crops,
        balanced=options.balance,
        threads=options.threads,
    )
    print(f"{told}\nuse it as the parameter model.adapter")
    return 0


def run_distil(options: argparse.Namespace) -> int:
    from vlam_ros.lab.training.jobs import distil_folder

    told = distil_folder(
        options.teacher,
        options.student,
        options.data,
        options.out,
        _settings(options, options.rate, warmup=10),
        images=options.images,
        threads=options.threads,
    )
    print(f"{told}\nchoose its thresholds with `vlam calibrate {options.out}`")
    return 0


def run_policy(options: argparse.Namespace) -> int:
    from vlam_ros.configuration import Settings
    from vlam_ros.lab.training.policy.train import PolicyRecipe, train_policy

    names = ("steps", "batch", "width", "layers", "heads", "rate", "seed")
    recipe = PolicyRecipe(**{name: getattr(options, name) for name in names})
    settings = Settings.load(model__name_or_path=options.model)
    result = train_policy(
        options.demonstrations,
        options.validation,
        options.out,
        recipe,
        settings,
        options.threads,
        options.device,
        options.start,
    )
    told = ", ".join(f"{name} {value:.3f}" for name, value in result.after.items())
    print(f"wrote {options.out}, the weights of step {result.best_step}: {told}")
    return 0


def run_skill(options: argparse.Namespace) -> int:
    from vlam_ros.lab.training.fit import FitSettings
    from vlam_ros.lab.training.skills import RATES, learn_skills_file

    rate = options.rate or RATES[options.method]
    settings = FitSettings(steps=options.steps, rate=rate, seed=options.seed, device=options.device)
    told = learn_skills_file(
        options.model, options.skills, options.out, settings, options.method, options.threads
    )
    print(f"{told}\nuse it as the parameter model.adapter, with this skills file")
    return 0


def _settings(options: argparse.Namespace, rate: float, warmup: int) -> Any:
    from vlam_ros.lab.training.fit import FitSettings

    return FitSettings(
        steps=options.steps,
        rate=rate,
        warmup=warmup,
        accumulate=options.accumulate,
        validate_every=options.validate_every,
        save_every=options.validate_every,
        patience=options.patience,
        cosines_every=options.cosines_every,
        surgery=options.surgery,
        seed=options.seed,
        device=options.device,
        dtype=options.dtype,
    )
