from dataclasses import replace

import numpy as np
import pytest
import torch
from engine_fakes import JOINTS, TinyModel, make_batch
from torch import nn

from dcpose.engine.inference import magnify, mirror, predict
from dcpose.skeleton import Skeleton

CPU = torch.device("cpu")
SKELETON = Skeleton(
    name="three",
    joint_names=("nose", "left_hand", "right_hand"),
    flip_pairs=(("left_hand", "right_hand"),),
    limbs=(),
    upper_body=(),
)


class ColourModel(nn.Module):
    """Heatmap j is channel j of every fourth pixel: nose red, left hand green, right hand blue.

    Not symmetric: mirroring a frame moves the hands but does not exchange them. `symmetric` makes
    it so: each hand is found on its half of the picture.
    """

    def __init__(self, symmetric: bool) -> None:
        super().__init__()
        self.symmetric = symmetric
        self.clips_seen: list[int] = []

    def forward(self, frames, gaps):
        self.clips_seen.append(len(frames))
        heatmaps = frames[:, frames.shape[1] // 2, :, ::4, ::4].clone()
        if self.symmetric:
            hands = heatmaps[:, 1:].amax(1)
            middle = hands.shape[-1] // 2
            heatmaps[:, 1:] = 0
            heatmaps[:, 1, :, :middle] = hands[..., :middle]
            heatmaps[:, 2, :, middle:] = hands[..., middle:]
        return heatmaps


class FixedModel(nn.Module):
    """The same heatmaps for every clip: joint j has its peak at (2 + j, 5), height j + 1."""

    def forward(self, frames, gaps):
        heatmaps = torch.zeros(len(frames), JOINTS, frames.shape[-2] // 4, frames.shape[-1] // 4)
        for joint in range(JOINTS):
            heatmaps[:, joint, 5, 2 + joint] = joint + 1.0
        return heatmaps


def test_joints_come_back_in_image_pixels():
    batch = make_batch(2, seed=0)
    matrix = torch.tensor([[0.0, -2.0, 1000.25], [2.0, 0.0, 500.5]], dtype=torch.float64)
    batch = replace(batch, crop_to_image=torch.stack([matrix, batch.crop_to_image[1]]))
    first, second = predict(FixedModel().eval(), [batch], CPU)
    # by hand: crop (4 (2 + j), 20); the matrix takes (x, y) to (1000.25 - 2 y, 500.5 + 2 x)
    np.testing.assert_array_equal(first.joints, [[960.25, 516.5], [960.25, 524.5], [960.25, 532.5]])
    np.testing.assert_array_equal(second.joints, [[8, 20], [12, 20], [16, 20]])
    np.testing.assert_array_equal(first.heatmap_scores, [1, 2, 3])
    assert first.joints.dtype == first.heatmap_scores.dtype == np.float64
    assert first.person is batch.people[0]


@pytest.mark.parametrize("flip", [None, SKELETON])
def test_poses_do_not_depend_on_how_batches_are_cut(flip):
    model = TinyModel().eval()
    clips = [make_batch(1, seed=i) for i in range(5)]

    def join(some):
        names = ("frames", "gaps", "crop_to_image", "joints", "joint_weights")
        tensors = {name: torch.cat([getattr(clip, name) for clip in some]) for name in names}
        return replace(some[0], people=[clip.people[0] for clip in some], **tensors)

    one_by_one = list(predict(model, clips, CPU, flip=flip))
    joined = list(predict(model, [join(clips[:3]), join(clips[3:])], CPU, flip=flip))
    assert [pose.person for pose in joined] == [clip.people[0] for clip in clips]
    for alone, together in zip(one_by_one, joined, strict=True):
        np.testing.assert_array_equal(alone.joints, together.joints)
        np.testing.assert_allclose(alone.heatmap_scores, together.heatmap_scores, atol=1e-6)


def coloured_clip(column):
    """One clip of three frames with a nose at `column` and a hand to either side, on the grid."""
    batch = make_batch(1, seed=0)
    frames = torch.zeros_like(batch.frames)
    frames[:, :, 24, column, 0] = 255
    frames[:, :, 12, 8, 1] = 200
    frames[:, :, 12, 20, 2] = 220
    return replace(batch, frames=frames)


def test_flip_changes_nothing_for_a_symmetric_model():
    batch = coloured_clip(column=16)
    model = ColourModel(symmetric=True).eval()
    plain = next(predict(model, [batch], CPU))
    flipped = next(predict(model, [batch], CPU, flip=SKELETON))
    assert model.clips_seen == [1, 2]  # both ways in one pass
    np.testing.assert_array_equal(plain.joints.round(), [[16, 24], [8, 12], [20, 12]])
    np.testing.assert_array_equal(flipped.joints, plain.joints)
    np.testing.assert_allclose(flipped.heatmap_scores, plain.heatmap_scores, rtol=1e-6)


def test_flip_exchanges_left_and_right():
    # the colours stay with the joints, so the mirror's green hand counts for the right one: each
    # map is the mean of a green and a blue one
    model = ColourModel(symmetric=False).eval()
    batch = coloured_clip(column=16)
    frames = batch.network_input()
    heatmaps = model(frames, batch.gaps)
    expected = (heatmaps[:, [1, 2]] + heatmaps[:, [2, 1]]).amax(dim=(2, 3))[0] / 2
    flipped = next(predict(model, [batch], CPU, flip=SKELETON))
    np.testing.assert_allclose(flipped.heatmap_scores[1:], expected, rtol=1e-6)


def test_mirror_moves_columns_onto_the_mirrored_grid():
    frames = torch.arange(12.0)[None]
    # column x goes to 12 - 4 - x: 0, 4, 8 to 8, 4, 0; the last three repeat column 0's value
    assert mirror(frames).tolist() == [[8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0, 0]]
    assert torch.equal(mirror(frames)[:, ::4], frames[:, ::4].flip(-1))


@pytest.mark.parametrize("udp", [False, True])
def test_magnify_keeps_frames_and_heatmaps_of_a_crop_together(udp):
    """A ramp tells where each pixel came from: (x - c) / factor + c, with c the crop's middle."""
    for side, stride in ((32, 1), (8, 4)):
        ramp = torch.arange(side, dtype=torch.float64).expand(1, 2, side, side)
        out = magnify(ramp.float(), 1.6, udp)
        middle = (side - 1) / 2 if udp else 32 / 2 / stride
        expected = middle + (torch.arange(side) - middle) / 1.6
        torch.testing.assert_close(out[0, 0, 3], expected, atol=1e-5, rtol=0)
        small = magnify(torch.ones(3, side, side), 1 / 1.6, udp)
        assert small[:, 0].eq(0).all()
        assert small[:, side // 2, side // 2].eq(1).all()


def test_zoom_shows_the_clip_that_is_not_mirrored_larger_and_puts_its_heatmaps_back():
    batch, seen = make_batch(1, seed=0), []
    rows, columns = torch.meshgrid(torch.arange(48), torch.arange(32), indexing="ij")
    spots = [(16, 24), (8, 12), (22, 12)]
    blobs = [255 * torch.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 50) for x, y in spots]
    frames = torch.stack(blobs, dim=-1).to(torch.uint8).expand_as(batch.frames)
    batch = replace(batch, frames=frames.contiguous())

    class Watching(ColourModel):
        def forward(self, frames, gaps):
            seen.append(frames)
            return super().forward(frames, gaps)

    plain = next(predict(Watching(symmetric=True).eval(), [batch], CPU, flip=SKELETON))
    zoomed = next(predict(Watching(symmetric=True).eval(), [batch], CPU, flip=SKELETON, zoom=1.25))
    assert torch.equal(seen[1][0], magnify(batch.network_input(), 1.25)[0])
    assert torch.equal(seen[1][1], seen[0][1])  # the mirrored one as before
    assert np.abs(zoomed.joints - plain.joints).max() <= 2  # crop pixels
    assert not np.array_equal(zoomed.heatmap_scores, plain.heatmap_scores)


def test_zoom_without_flip_does_nothing():
    batch, model = make_batch(1, seed=3), TinyModel().eval()
    first, second = (next(predict(model, [batch], CPU, zoom=zoom)) for zoom in (1.0, 1.5))
    np.testing.assert_array_equal(first.joints, second.joints)


def test_no_gradients_are_kept_and_the_callers_mode_is_untouched():
    poses = predict(TinyModel().eval(), [make_batch(1, seed=0), make_batch(1, seed=1)], CPU)
    next(poses)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


def test_no_clips_no_poses():
    assert list(predict(TinyModel().eval(), [], CPU)) == []


def test_training_mode_is_refused():
    with pytest.raises(ValueError, match=r"model\.eval\(\)"):
        list(predict(TinyModel(), [make_batch(1, seed=0)], CPU))


def test_other_heatmap_size_is_refused():
    model = nn.Module().eval()
    model.forward = lambda frames, gaps: torch.zeros(len(frames), JOINTS, 6, 4)
    with pytest.raises(ValueError, match=r"expected \(B, J, 12, 8\)"):
        list(predict(model, [make_batch(1, seed=0)], CPU))


def test_nan_heatmaps_name_the_person():
    model = TinyModel().eval()
    nn.init.constant_(model.head.bias, float("nan"))
    with pytest.raises(ValueError, match=r"NaN heatmaps for video4 frame 0 box \[1\.0, 2\.0"):
        list(predict(model, [make_batch(2, seed=4)], CPU))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_the_poses_of_the_cpu():
    model = TinyModel().eval()
    batches = [make_batch(3, seed=i) for i in range(4)]
    expected = list(predict(model, batches, CPU, "fp32"))
    pinned = [batch.pin_memory() for batch in batches]
    found = list(predict(model.cuda(), pinned, torch.device("cuda"), "fp32"))
    assert [pose.person for pose in found] == [pose.person for pose in expected]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.heatmap_scores, other.heatmap_scores, atol=1e-3)


class DeepModel(nn.Module):
    """Sums over 384 channels, which oneDNN splits differently for every number of threads."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 384, 4, stride=4), nn.Conv2d(384, 48, 1), nn.Conv2d(48, JOINTS, 1)
        )

    def forward(self, frames, gaps):
        return self.layers(frames[:, 1])


@pytest.fixture
def _keep_number_of_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("_keep_number_of_threads")
@pytest.mark.same_bits
def test_poses_do_not_depend_on_the_number_of_threads():
    torch.manual_seed(0)
    model, batch = DeepModel().eval(), make_batch(6, seed=0)
    scores = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        poses = list(predict(model, [batch], CPU))
        assert [pose.person for pose in poses] == batch.people
        assert torch.get_num_threads() == threads
        scores.append(np.stack([pose.heatmap_scores for pose in poses]))
    np.testing.assert_array_equal(scores[0], scores[1])
    np.testing.assert_array_equal(scores[0], scores[2])
