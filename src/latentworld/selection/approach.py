"""Where exactly the place of a goal image lies, once what the robot sees shows it from nearby."""

from __future__ import annotations

from collections import deque

import numpy as np

from latentworld.model.view_matcher import Match

SURE = 4.0  # nats from which on a match is taken to be of the goal's place
MATCHES, FEW = 15, 3  # newest ones that count; fewer than that say nothing
FLOOR = (0.04, 0.04, 0.04)  # metres, radians: one match is never surer
ABOUT = 0.6  # metres about the likeliest place within which matches are of it


class Approach:
    """A mean of where the newest matches say that the goal's view was taken, each weighed by how sure it is. They are
    the surer the nearer the robot is, so that it homes in (visual servoing by relative poses, Hutchinson et al. 1996).
    """

    def __init__(self) -> None:
        self._said: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=MATCHES)  # (3,) pose in odom; (3,) 1 / variance

    def note(self, pose: np.ndarray, match: Match) -> None:
        """What one match (N = 1) says that was had at ``pose`` (3,) in odom."""
        if float(match.near) < SURE:
            return
        x, y, turned = match.pose[0].tolist()
        c, s = np.cos(pose[2]), np.sin(pose[2])
        goal = np.array([pose[0] + c * x - s * y, pose[1] + s * x + c * y, pose[2] + turned])
        self._said.append((goal, 1 / np.hypot(np.exp(match.log_spread[0].numpy()), FLOOR) ** 2))

    def pose(self, likeliest: np.ndarray) -> np.ndarray | None:
        """(3,) in odom, of matches about the ``likeliest`` place; None where there are too few of them."""
        said = [one for one in self._said if np.hypot(*(one[0][:2] - likeliest[:2])) < ABOUT]
        if len(said) < FEW:
            return None
        goals, weights = map(np.array, zip(*said, strict=True))
        share = weights / weights.sum(0)
        x, y = (share[:, :2] * goals[:, :2]).sum(0)
        yaw = np.arctan2(share[:, 2] @ np.sin(goals[:, 2]), share[:, 2] @ np.cos(goals[:, 2]))
        return np.array([x, y, yaw])
