"""What a latent is rounded to: looks to 12 bits, the rest to 8, and nothing more when it is rounded again."""

from __future__ import annotations

import numpy as np
import pytest

from latentworld.memory.latent_format import LatentFormat


@pytest.mark.parametrize(("dimensions", "looks"), [(320, 64), (24, 24), (9, 5), (4, 1)])
def test_looks_are_kept_to_12_bits_whatever_lies_beside_them(dimensions, looks):
    format, others = LatentFormat(dimensions, looks), dimensions - looks
    latents = np.random.default_rng(1).normal(size=(500, dimensions)).astype(np.float32)
    latents[:, :others] *= 50
    codes, step = format.coded(latents)
    kept = format.decoded(codes, step)
    assert codes.dtype == np.int8 and kept.dtype == np.float32 and codes.shape[1] <= dimensions + (looks + 1) // 2 + 4
    for part, bits in ((slice(others, None), 12), (slice(0, others), 8)):
        largest = np.abs(latents[:, part]).max(1, initial=0)
        off = np.abs(kept[:, part] - latents[:, part]).max(1, initial=0)
        assert (off <= 1.001 * largest / (2**bits - 2 ** (bits - 7))).all()
    ends = codes[:, codes.shape[1] - format.look_bytes :]
    np.testing.assert_array_equal(format.decoded(ends, step), kept[:, others:])


@pytest.mark.parametrize("bits", [8, 12])
def test_what_is_rounded_stays_as_it_is(bits):
    format = LatentFormat(20, 7, bits)
    kept = format.decoded(*format.coded(np.random.default_rng(2).normal(size=(300, 20))))
    np.testing.assert_array_equal(format.decoded(*format.coded(kept)), kept)


@pytest.mark.parametrize("bits", [8, 12])
def test_a_latent_of_nothing_and_no_latents(bits):
    format = LatentFormat(6, 3, bits)
    np.testing.assert_array_equal(format.decoded(*format.coded(np.zeros((2, 6)))), np.zeros((2, 6)))
    assert format.decoded(*format.coded(np.empty((0, 6)))).shape == (0, 6)
