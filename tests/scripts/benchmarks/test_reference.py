"""The yardstick does what the package does, only slowly."""

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.reference import decode_one_by_one, load_sample, network_input, predict_one_by_one
from benchmarks.video_set import VideoSize, write_video_set
from dcpose.data.augment import Augmentation
from dcpose.data.clip import ClipOptions
from dcpose.data.dataset import PoseTrackClips
from dcpose.data.stream import ClipStream
from dcpose.engine.inference import predict
from dcpose.formats.posetrack.records import read_annotations
from dcpose.heatmap import decode, encode
from dcpose.structures import ClipBatch

OPTIONS = ClipOptions(crop_wh=(64, 96))
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    root = tmp_path_factory.mktemp("videos")
    assert write_video_set(root, VideoSize(1, 3, 2, image_wh=(160, 120))) > 3000
    return read_annotations(root / "annotations" / "val", root)


class Brightness(nn.Module):
    """Heatmaps that depend on the crops: the current frame, shrunk, in every joint."""

    def forward(self, frames, gaps):
        small = nn.functional.avg_pool2d(frames[:, 1].float(), 4).mean(1, keepdim=True) + 3
        return small.expand(-1, 17, -1, -1) + gaps.sum() * 0


def test_poses_are_the_same(videos):
    people = {video.name: video.people for video in videos}
    model = Brightness().eval()
    slow = list(predict_one_by_one(model, videos, people, OPTIONS, 1.0, CPU))
    fast = list(predict(model, ClipStream(videos, people, OPTIONS, 4), CPU))
    assert len(slow) == len(fast) == 6
    for ours, theirs in zip(fast, slow, strict=True):
        assert ours.person.person_id == theirs.person.person_id
        np.testing.assert_allclose(ours.joints, theirs.joints, atol=1e-3)
        np.testing.assert_allclose(ours.heatmap_scores, theirs.heatmap_scores, atol=1e-5)


@pytest.mark.parametrize("index", range(6))
def test_inference_clips_and_targets_are_the_same(videos, index):
    (video,) = videos
    dataset = PoseTrackClips(videos, OPTIONS, None, seed=0)
    batch = ClipBatch.stack([dataset[index]])
    sample = load_sample(video, dataset.people[index], OPTIONS, 1.0)
    torch.testing.assert_close(network_input([sample]), batch.network_input(), atol=1e-5, rtol=0)
    targets, weights = encode(batch.joints, batch.joint_weights, (64, 96), (16, 24), 1.0)
    torch.testing.assert_close(sample.targets[None], targets, atol=1e-6, rtol=0)
    assert torch.equal(sample.target_weights[None], weights)


def test_augmented_clips_move_image_and_joints(videos):
    (video,) = videos
    person = video.people[0]
    rng = np.random.default_rng(0)
    sample = load_sample(video, person, OPTIONS, 1.0, Augmentation(), rng)
    plain = load_sample(video, person, OPTIONS, 1.0)
    assert not torch.equal(sample.crops[1], plain.crops[1])
    assert not torch.equal(sample.targets, plain.targets)


def test_decoding_is_the_same():
    heatmaps = torch.rand(3, 17, 24, 16, generator=torch.Generator().manual_seed(0))
    heatmaps[0, 0] = -1
    joints, scores = decode(heatmaps)
    for row in range(3):
        slow_joints, slow_scores = decode_one_by_one(heatmaps[row].numpy())
        np.testing.assert_array_equal(slow_joints, joints[row])
        np.testing.assert_array_equal(slow_scores, scores[row])
