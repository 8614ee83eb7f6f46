"""Named recipes for models of tasks: everything that decides what comes out of ``latentworld train``."""

from __future__ import annotations

from dataclasses import dataclass, field

from latentworld.model.task_model import TaskConfig


@dataclass(frozen=True, slots=True)
class EpisodeSettings:
    environment: str
    episodes: int
    first_seed: int = 0
    rows: int = 100  # at most
    script: bool = False  # acted as in the peers' own scripts, nothing else


@dataclass(frozen=True, slots=True)
class TaskStage:
    """Steps of AdamW under a cosine. With ``encoder`` the latents are learned, and to foretell them; without, latents
    are encoded once and kept, and the distance is learned too.
    """

    steps: int
    encoder: bool
    clips: int  # a batch
    length: int  # steps of the model that are foretold in a row
    pairs: int = 0  # of which the distance is learned, a batch
    rate: float = 1e-3
    warm_up: int = 50
    weight_decay: float = 1e-3


@dataclass(frozen=True, slots=True)
class TaskWeights:
    predict: float = 1.0
    sigreg: float = 2.0
    hindsight: float = 1.0
    one_step: float = 1.0


@dataclass(frozen=True, slots=True)
class TaskRecipe:
    name: str
    data: str  # name of the data sets
    train: EpisodeSettings
    validation: EpisodeSettings
    stages: tuple[TaskStage, ...]
    model: TaskConfig = field(default_factory=TaskConfig)
    weights: TaskWeights = field(default_factory=TaskWeights)
    expectile: float = 0.1  # of the steps between two rows: low, as a driver took detours
    seed: int = 0


# Episodes to learn from, to tune on, and to be tested on (evaluation.stable_worldmodel) have seeds of their own.
VALIDATION_SEED = 1_000_000
TEST_SEED = 2_000_000

RECIPES = {
    recipe.name: recipe
    for recipe in (
        TaskRecipe(
            "two-room", "two-room",
            EpisodeSettings("two_room", 800), EpisodeSettings("two_room", 60, VALIDATION_SEED),
            (
                TaskStage(1800, encoder=True, clips=24, length=5),
                TaskStage(2500, encoder=False, clips=64, length=5, pairs=1024),
            ),
            TaskConfig(latent_dim=32),
        ),
        TaskRecipe(
            "push-t", "push-t",
            EpisodeSettings("push_t", 1500), EpisodeSettings("push_t", 60, VALIDATION_SEED),
            (
                TaskStage(6000, encoder=True, clips=24, length=6),
                TaskStage(6000, encoder=False, clips=64, length=6, pairs=1024),
            ),
            TaskConfig(channels=(32, 64, 128), hidden=384, action_block=1),  # a step is 50 pixels of 512 already
        ),
        TaskRecipe(
            "task-smoke", "task-smoke",
            EpisodeSettings("two_room", 4), EpisodeSettings("two_room", 2, VALIDATION_SEED),
            (
                TaskStage(3, encoder=True, clips=4, length=2, warm_up=1),
                TaskStage(3, encoder=False, clips=4, length=2, pairs=16, warm_up=1),
            ),
            TaskConfig(channels=(4, 8, 8), latent_dim=8, hidden=16, distance_dim=4),
        ),
    )
}  # fmt: skip
