"""How well things are found and known again, in rooms it has never seen; and how alike means one."""

from __future__ import annotations

import numpy as np
import torch

from latentworld.model.object_finder import ObjectFinder
from latentworld.perception.objects import ObjectDetector
from latentworld.training.objects.collect import RoomViews
from latentworld.training.scores import auroc
from latentworld.types import Frame

SHOWN = 80  # pixels of a picture, of 4096, on which a thing counts as shown
NEAR = 0.3  # metres from where it stands at which it counts as found


def validate(model: ObjectFinder, views: RoomViews, rooms: int | None = None) -> dict[str, float]:
    """Figures by name; the model's ``kinship`` is calibrated on the way."""
    model.kinship.copy_(torch.tensor([1.0, 0.0]))  # looks of unit length
    detector = ObjectDetector(model.eval())
    found, errors, ghosts, detections = [], [], 0, 0
    right, same, other = [], [], []
    with torch.inference_mode():
        for number in range(len(views) if rooms is None else min(rooms, len(views))):
            looks, names, half = [], [], []
            pixels, depth, shown, middle = views.room(number)
            for row in range(len(pixels)):
                objects = detector.find(Frame(0, pixels[row], depth[row].astype(np.float32) / 1000))
                detections += len(objects)
                there = [o for o in range(middle.shape[1]) if not np.isnan(middle[row, o, 0])]
                some = [o for o in np.unique(shown[row]) if o >= 0]
                free = np.ones(len(objects), bool)
                for o in some:
                    far = np.hypot(*(objects.places - middle[row, o]).T) if len(objects) else np.array([np.inf])
                    hit = len(objects) > 0 and far.min() < NEAR
                    if (shown[row] == o).sum() >= SHOWN:
                        found.append(hit)
                    if hit:
                        at = int(far.argmin())
                        free[at] = False
                        errors.append(far.min())
                        if (shown[row] == o).sum() >= SHOWN:
                            looks.append(objects.looks[at])
                            names.append(o)
                            half.append(row >= len(pixels) // 2)
                for at in np.flatnonzero(free):
                    far = np.hypot(*(middle[row, there] - objects.places[at]).T) if there else np.array([np.inf])
                    ghosts += far.min() > 2 * NEAR
            looks, names, half = np.array(looks), np.array(names), np.array(half)
            for i in np.flatnonzero(half):  # of the rearranged room, against the means of what was seen before
                before = [o for o in np.unique(names[~half])]
                if names[i] not in before:
                    continue
                means = np.array([looks[~half & (names == o)].mean(0) for o in before])
                means /= np.linalg.norm(means, axis=1, keepdims=True)
                alike = means @ looks[i]
                right.append(before[int(alike.argmax())] == names[i])
                same.append(alike[before.index(names[i])])
                other.extend(np.delete(alike, before.index(names[i])))
    kin, one = np.concatenate([same, other]), np.concatenate([np.ones(len(same)), np.zeros(len(other))])
    model.kinship.copy_(kinship(kin, one))
    return {
        "found": float(np.mean(found)),
        "place_error_m": float(np.median(errors)),
        "ghosts_a_detection": ghosts / max(detections, 1),
        "known_again": float(np.mean(right)),
        "look_auroc": auroc(kin, one),
        "alike_same": float(np.mean(same)),
        "alike_other": float(np.mean(other)),
    }


def kinship(alike: np.ndarray, one: np.ndarray) -> torch.Tensor:
    """Slope and offset (2,) of the log likelihood ratio over cosines (M,): logistic regression, both kinds weighing the
    same. one: (M,) 1 where both are of one thing.
    """
    x, y = torch.from_numpy(alike).double(), torch.from_numpy(one).double()
    weight = torch.where(y > 0, 0.5 / y.sum(), 0.5 / (1 - y).sum())
    said = torch.tensor([5.0, 2.0], dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([said], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        logit = said[0] * x - said[1]
        value = torch.nn.functional.binary_cross_entropy_with_logits(logit, y, weight, reduction="sum")
        value.backward()
        return value

    optimizer.step(loss)
    return said.detach().float()
