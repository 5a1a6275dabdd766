import itertools

import numpy as np
import pytest

from dcpose.synthetic.bursts import disk, draw_bursts, padded, smear, smear_frame, streak
from dcpose.synthetic.render import Sprite


def dot() -> Sprite:
    sprite = Sprite.empty(0, 0, 9, 9)
    sprite.alpha[4, 4] = 1
    sprite.color[4, 4] = (200, 100, 50)
    return sprite


def test_bursts_are_short_apart_and_hit_about_half_of_the_frames():
    hit = []
    for seed in range(200):
        bursts = draw_bursts(24, 3, np.random.default_rng(seed))
        for burst, following in itertools.pairwise(bursts):
            assert burst.first + burst.length < following.first
        assert all(1 <= burst.length <= 3 and burst.targets.any() for burst in bursts)
        hit += [sum(burst.covers(frame) for burst in bursts) for frame in range(24)]
    assert set(hit) == {0, 1}
    assert 0.35 < np.mean(hit) < 0.52


def test_smear_moves_the_picture_along_the_kernel():
    kernel = np.zeros((5, 5), np.float32)
    kernel[1, 4] = 1  # one row up, two columns to the right of the centre
    moved = smear(dot(), kernel)
    assert moved.alpha[3, 6] == pytest.approx(1)
    np.testing.assert_allclose(moved.color[3, 6], (200, 100, 50), rtol=1e-5)
    assert moved.alpha.sum() == pytest.approx(1)


def test_frame_and_sprite_are_smeared_alike():
    kernel = streak(6, 0.7, np.random.default_rng(2))
    sprite = padded(dot(), kernel.shape[0])
    np.testing.assert_allclose(
        smear_frame(sprite.color, kernel), smear(sprite, kernel).color, atol=1e-3
    )


@pytest.mark.parametrize("angle", [0.0, np.pi / 2, 1.0])
def test_streak_is_a_line_through_its_centre(angle):
    kernel = streak(20, angle, np.random.default_rng(1))
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    assert kernel.shape[0] == kernel.shape[1]
    assert kernel.shape[0] % 2 == 1
    half = kernel.shape[0] // 2
    assert kernel[half - 1 : half + 2, half - 1 : half + 2].sum() > 0.02
    y, x = np.nonzero(kernel > 1e-4)
    along = (x - half) * np.cos(angle) + (y - half) * np.sin(angle)
    assert np.ptp(along) == pytest.approx(20, abs=5)


def test_labelled_instant_is_anywhere_in_the_exposure():
    offsets = []
    for seed in range(40):
        kernel = streak(20, 0.0, np.random.default_rng(seed))
        x = np.arange(kernel.shape[1]) - kernel.shape[1] // 2
        offsets.append(float(kernel.sum(axis=0) @ x))
    assert np.abs(offsets).max() > 5
    assert np.std(offsets) > 3


def test_disk_has_sum_one_and_its_radius():
    kernel = disk(5.0)
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    # area of a disk of radius 5: every inner pixel has about 1 / (25 pi)
    assert kernel.max() == pytest.approx(1 / (25 * np.pi), rel=0.05)
    half = kernel.shape[0] // 2
    assert kernel[half, half + 6] == 0


def test_padding_keeps_the_place():
    sprite = padded(dot(), 3)
    assert (sprite.x, sprite.y) == (-3, -3)
    assert sprite.alpha.shape == (15, 15)
    assert sprite.coverage_at(np.array([[4.5, 4.5]]))[0] == 1
