"""Lens models against OpenCV's own."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from cast_scenes import OPENCV, picture

from latentworld.perception.rectification import Lens


@pytest.mark.parametrize("model", OPENCV)
def test_lens_is_opencvs(model):
    c = picture(640, 480, 90, model, OPENCV[model])
    lens = Lens(c)
    rng = np.random.default_rng(0)
    points = rng.uniform((0.5, -0.7, -0.5), (3.0, 0.7, 0.5), (500, 3))
    optical = np.stack([-points[:, 1], -points[:, 2], points[:, 0]], -1).reshape(-1, 1, 3)
    matrix, k = np.array([[c.fx, 0, c.cx], [0, c.fy, c.cy], [0, 0, 1]]), np.array(c.distortion)
    project = cv2.fisheye.projectPoints if model == "equidistant" else cv2.projectPoints
    args = (matrix, k)
    expected = project(optical, np.zeros(3), np.zeros(3), *args)[0].reshape(-1, 2)
    inside = np.hypot(points[:, 1], points[:, 2]) / points[:, 0] < 0.7
    got = np.stack(lens.project(*points.T), -1)
    np.testing.assert_allclose(got[inside], expected[inside], atol=1e-6)
    back = lens.directions(*got.T)
    np.testing.assert_allclose(back[inside], (points / points[:, :1])[inside], atol=1e-3)


def test_lens_has_no_pixel_beyond_where_its_polynomial_turns_back():
    lens = Lens(picture(640, 480, 90, "plumb_bob", (-0.3, 0.0, 0.0, 0.0)))
    assert abs(lens.limit - math.sqrt(1 / 0.9)) < 0.01
    across, _ = lens.project(np.ones(2), np.array([0.5, 2.5]), np.zeros(2))
    assert np.isfinite(across[0]) and np.isnan(across[1])
    assert np.isnan(lens.project(np.array([-1.0]), np.zeros(1), np.zeros(1))[0]).all()
    fisheye = Lens(picture(640, 640, 200, "equidistant"))
    assert np.isfinite(fisheye.project(np.array([-0.1]), np.ones(1), np.zeros(1))[0]).all()
    assert np.isnan(fisheye.directions(np.array([1.0]), np.array([320.0]))).any()
