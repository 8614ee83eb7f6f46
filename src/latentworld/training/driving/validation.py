"""Held-out figures of a model on rooms it has never seen, and the scale of its surprise."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from latentworld.model.latent_map import compose, relative
from latentworld.model.world_model import Belief, WorldModel
from latentworld.tracking.surprise import score
from latentworld.training.driving.batches import Batch, sample
from latentworld.training.driving.drives import Drives, Images
from latentworld.training.driving.objective import track
from latentworld.training.driving.pictures import network_input
from latentworld.training.scores import auroc

CLIPS, AT_ONCE, LENGTH, SEED = 256, 32, 40, 12345
SEEN = 15  # rows of a clip the belief has taken in when it starts to predict
AHEAD = (1, 5, 10, 20)  # rows


@torch.no_grad()
def validate(model: WorldModel, drives: Drives) -> dict[str, float]:
    """Fixed clips at 10 Hz. Sets ``model.surprise_quantiles`` from the same clips' one-frame predictions."""
    model.eval()
    figures: list[dict[str, np.ndarray]] = []
    raw = []
    for i in range(CLIPS // AT_ONCE):
        batch = sample(drives, np.random.default_rng([SEED, i]), AT_ONCE, LENGTH, 1)
        latents = _encode(model, batch.clip)
        goals = _encode(model, Images(*(part if part is None else part[:, -1:] for part in batch.goals)))[:, 0]
        beliefs = track(model, latents, batch.motion)
        raw.append(_surprise(model, batch, latents, beliefs))
        figures.append(_measure(model, batch, latents, goals, beliefs[SEEN]))
        if model.config.uses_depth:
            beliefs = track(model, _encode(model, batch.clip, without_depth=True), batch.motion)
            figures[-1] |= _free_space(model, batch, beliefs[SEEN], "rgb_")
    scores = np.sort(np.concatenate(raw))
    model.surprise_quantiles.copy_(torch.from_numpy(np.quantile(scores, np.linspace(0, 1, 513))).float())
    joined = {name: np.concatenate([f[name] for f in figures]) for name in figures[0]}
    return _summarise(joined)


def _encode(model: WorldModel, images: Images, without_depth: bool = False) -> Tensor:
    n, length = images.pixels.shape[:2]
    flat = Images(*(None if part is None else part.flatten(0, 1) for part in images))
    blind = torch.full((n * length,), without_depth)
    return model.encoder(network_input(flat, blind, model.config)).unflatten(0, (n, length))


def _surprise(model: WorldModel, batch: Batch, latents: Tensor, beliefs: list[Belief]) -> np.ndarray:
    """Scores of tracking.surprise for every frame but the first few."""
    scores = []
    for t in range(4, latents.shape[1]):
        ahead = batch.motion[:, t, 3:4].unsqueeze(1)
        predicted, doubt = model.foresee(beliefs[t - 1], batch.motion[:, t, None, :3], ahead)
        error = (predicted[:, 0] - latents[:, t]).square().mean(-1)
        scores.append(score(error.numpy(), doubt[:, 0].numpy()))
    return np.concatenate(scores)


def _measure(model: WorldModel, batch: Batch, latents: Tensor, goals: Tensor, belief: Belief) -> dict[str, np.ndarray]:
    t = SEEN
    out = {}
    here = batch.odometry[:, t]
    for ahead in AHEAD:
        pose = relative(here, batch.odometry[:, t + ahead]).unsqueeze(1)
        predicted, _ = model.foresee(belief, pose, torch.full((len(here), 1, 1), ahead * 0.1))
        came = latents[:, t + ahead]
        out[f"error_{ahead}"] = (predicted[:, 0] - came).square().mean(-1).numpy()
        out[f"copy_{ahead}"] = (latents[:, t] - came).square().mean(-1).numpy()
    out |= _free_space(model, batch, belief)
    target = relative(here, batch.goal_pose[:, -1])  # within reach
    where = compose(belief.place, target)
    inside = (where[:, :2].abs() < model.map.half).all(1)
    out["goal"] = np.where(inside, (_located(model, belief, goals) - where[:, :2]).norm(dim=-1), np.nan)
    recalled, _ = model.foresee(belief, target.unsqueeze(1), torch.zeros(len(here), 1, 1))
    out["recall"] = (recalled[:, 0] - goals).square().mean(-1).numpy()
    return out


def _free_space(model: WorldModel, batch: Batch, belief: Belief, prefix: str = "") -> dict[str, np.ndarray]:
    """Near and ahead of the robot, where the clearance is known."""
    query = batch.query[:, SEEN]
    field = model.field(belief, query[..., :2])
    near = query[..., 2].isfinite()
    near &= (query[..., :2].norm(dim=-1) < 1.5) & (torch.atan2(query[..., 1], query[..., 0]).abs() < 0.7)
    return {
        f"{prefix}field": np.where(near, (field.clearance - query[..., 2].clamp(max=1)).abs(), np.nan),
        f"{prefix}occupied_p": np.where(near, -field.clearance / field.spread, np.nan),
        f"{prefix}occupied": np.where(near, query[..., 2] < 0, np.nan),
    }


def _located(model: WorldModel, belief: Belief, goals: Tensor) -> Tensor:
    """(N, 2) the likeliest cell of each map from which each goal was seen."""
    mapped, described = model.place.mapped(belief.memory), model.place.described(goals)
    cells = []
    for i in range(len(goals)):
        score = model.place.everywhere(mapped[i : i + 1], model.place.kernel(described[i : i + 1]))
        cells.append(score.logsumexp(0).argmax())
    return model.map.centres.flatten(0, 1)[torch.stack(cells)]


def _summarise(m: dict[str, np.ndarray]) -> dict[str, float]:
    figures = {}
    for ahead in AHEAD:
        figures[f"latent_error_{ahead * 0.1:.1f}s"] = float(m[f"error_{ahead}"].mean())
        figures[f"copy_last_error_{ahead * 0.1:.1f}s"] = float(m[f"copy_{ahead}"].mean())
    for prefix in ("", "rgb_"):
        if f"{prefix}field" in m:
            figures[f"{prefix}clearance_error_m"] = _mean_of_known(m[f"{prefix}field"])
            figures[f"{prefix}occupied_auroc"] = auroc(m[f"{prefix}occupied_p"], m[f"{prefix}occupied"])
    figures["recall_error"] = float(m["recall"].mean())
    located = m["goal"][~np.isnan(m["goal"])]
    figures["goal_pose_median_error_m"] = float(np.median(located))
    figures["goal_pose_within_0.3m"] = float(np.mean(located < 0.3))
    return figures


def _mean_of_known(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
