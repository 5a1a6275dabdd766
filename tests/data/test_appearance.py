"""What happens to the pixels of a training clip."""

import numpy as np
import pytest

from dcpose.data.appearance import Appearance, change_appearance

KINDS = ("color", "blur", "low_resolution", "noise", "cutout", "jpeg", "texture")


def clip(frames=3):
    one = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)
    return np.stack([one] * frames)


def changed(crops, seed=0, **strengths):
    return change_appearance(crops, Appearance(**strengths), np.random.default_rng(seed))


def test_off_by_default_and_draws_nothing():
    rng, crops = np.random.default_rng(3), clip()
    assert Appearance().is_off
    assert change_appearance(crops, Appearance(), rng) is crops
    assert rng.random() == np.random.default_rng(3).random()


@pytest.mark.parametrize("kind", KINDS)
def test_each_changes_pixels_and_leaves_the_input(kind):
    crops = clip()
    before = crops.copy()
    after = changed(crops, **{kind: 1.0 if kind != "noise" else 0.1})
    assert after.shape == crops.shape
    assert after.dtype == np.uint8
    assert (after != crops).mean() > 0.01
    np.testing.assert_array_equal(crops, before)


@pytest.mark.parametrize("kind", KINDS)
def test_one_camera_films_all_frames(kind):
    after = changed(clip(), **{kind: 1.0 if kind != "noise" else 0.1})
    same = (after[0] == after[1]).all()
    assert same == (kind != "noise")  # sensor noise alone is new in every frame


def test_same_generator_same_pixels():
    everything = dict.fromkeys(KINDS, 0.7)
    np.testing.assert_array_equal(
        changed(clip(), 5, **everything), changed(clip(), 5, **everything)
    )


def test_a_gray_clip_stays_gray_without_channel_gains():
    gray = np.full((1, 8, 8, 3), 100, np.uint8)
    levels = [changed(gray, seed, color=1.0)[0, 0, 0].astype(int) for seed in range(200)]
    spread = np.ptp(levels, axis=1)
    # gains of 0.85 to 1.15 are all that parts the channels; brightness and gamma move them together
    assert spread.max() < 0.45 * 255
    means = np.mean(levels, axis=1)
    assert means.min() < 60
    assert means.max() > 140


def test_strength_scales_the_color_change():
    def distance(strength):
        return np.mean(
            [abs(changed(clip(1), seed, color=strength).astype(int) - clip(1)).mean()
             for seed in range(40)]
        )  # fmt: skip

    assert distance(0.2) < 0.5 * distance(1.0)


def test_shares_of_blurred_clips():
    hits = [(changed(clip(1), seed, blur=0.3) != clip(1)).any() for seed in range(600)]
    assert abs(np.mean(hits) - 0.3) < 0.06


def test_cutout_is_one_block_of_one_color():
    crops = np.zeros((2, 64, 48, 3), np.uint8)
    after = changed(crops, 4, cutout=1.0)
    rows, columns = np.nonzero(after[0].any(axis=-1))
    block = after[0, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert (block == block[0, 0]).all()
    assert 0 < len(rows) <= 0.17 * 64 * 48


def test_texture_leaves_flat_clips_and_moves_no_edge():
    flat = np.full((2, 16, 16, 3), 90, np.uint8)
    np.testing.assert_array_equal(changed(flat, texture=1.0), flat)
    step = np.zeros((1, 32, 32, 3), np.uint8)
    step[:, :, 16:] = 200
    for seed in range(20):
        row = changed(step, seed, texture=1.0)[0, 16].astype(int)
        # what is flat stays flat but for the kernel's reach around the edge
        assert (row[3:14] == row[3]).all()
        assert (row[18:29] == row[28]).all()
