"""Frames of a real walk: is something in the body's way, and is a place known again?"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from latentworld import robot_file
from latentworld.evaluation.kept import Kept
from latentworld.evaluation.worlds import real_contact, real_places
from latentworld.evaluation.worlds.episodes import run
from latentworld.evaluation.worlds.real_walk import read
from latentworld.model.checkpoint import load

SENSES = {"rgbd": True, "rgb": False}
TASKS = (("truth", ""), *((what, sense) for what in ("contact", "place") for sense in SENSES), ("place", "thumbnail"))


def _measure(folder: str, checkpoint: str | None, task: tuple[str, str]) -> dict:
    """One pass over all frames in a worker process."""
    walk, base = read(folder), robot_file.load().base
    what, sense = task
    if what == "truth":
        ways = real_contact.ways(walk, base)
        return {"index": walk.indices.tolist(), "truth": [way.truth for way in ways]}
    if what == "contact":
        return {"score": real_contact.scores(walk, load(checkpoint), base, SENSES[sense]).tolist()}
    if sense == "thumbnail":
        features = real_places.thumbnails(walk)
    else:
        features = real_places.descriptors(walk, load(checkpoint), SENSES[sense])
    recall, asked = real_places.recall_at_1(features, walk)
    return {"recall": recall, "asked": asked}


def evaluate(
    folder: str | Path, checkpoint: str | None, kept: Kept, workers: int
) -> tuple[dict[str, float], dict[str, dict]]:
    """Figures by name, and what they are made from."""
    results = dict(
        zip(TASKS, run("frames", partial(_measure, str(folder), checkpoint), TASKS, kept, workers), strict=True)
    )
    truth = results["truth", ""]["truth"]
    told = np.array([said is not None for said in truth])
    blocked = np.array([bool(said) for said in truth])
    figures = {"real_contact_frames": float(told.sum()), "real_contact_blocked": float(blocked[told].mean())}
    for sense, end in (("rgbd", ""), ("rgb", "_rgb")):
        scored = np.array(results["contact", sense]["score"])
        figures[f"real_contact_auroc{end}"] = real_contact.auroc(scored[told], blocked[told])
    for sense, end in (("rgbd", ""), ("rgb", "_rgb"), ("thumbnail", "_thumbnail")):
        figures[f"real_place_recall_at_1{end}"] = results["place", sense]["recall"]
    figures["real_place_questions"] = float(results["place", "thumbnail"]["asked"])
    return figures, {" ".join(filter(None, task)): result for task, result in results.items()}
