"""Collating, shuffling and sharding; workers change nothing."""

import numpy as np
import pytest
import torch

from dcpose.data.augment import Augmentation
from dcpose.data.clip import ClipOptions
from dcpose.data.dataset import PoseTrackClips
from dcpose.data.loader import EpochSampler, make_train_loader
from dcpose.structures import ClipBatch, ClipSample


@pytest.fixture
def dataset(data_folder):
    data_folder.add_video("000001_test", num_frames=5, people=2)
    options = ClipOptions(crop_wh=(96, 128), max_gap=3)
    return PoseTrackClips(data_folder.videos(), options, Augmentation(), seed=0)


def test_stack(dataset):
    samples = [dataset[i] for i in (3, 1)]
    batch = ClipBatch.stack(samples)
    assert len(batch) == 2
    assert batch.people == [sample.person for sample in samples]
    assert batch.frames.shape == (2, 3, 128, 96, 3)
    assert batch.frames.dtype == torch.uint8
    assert batch.crop_to_image.dtype == torch.float64
    np.testing.assert_array_equal(batch.joints[1], samples[1].joints)
    np.testing.assert_array_equal(batch.gaps[0], samples[0].gaps)


def test_stack_without_joints(dataset):
    sample = dataset[0]
    bare = ClipSample(sample.person, sample.frames, sample.gaps, sample.crop_to_image)
    batch = ClipBatch.stack([bare])
    assert batch.joints is None
    assert batch.joint_weights is None


def test_workers_change_nothing(dataset):
    epochs = {}
    for workers in (0, 2):
        loader = make_train_loader(dataset, batch_size=4, workers=workers, seed=1)
        for epoch in (0, 1):
            loader.sampler.set_epoch(epoch)
            epochs[workers, epoch] = list(loader)
    for epoch in (0, 1):
        assert [len(batch) for batch in epochs[0, epoch]] == [4, 4, 2]
        for ours, theirs in zip(epochs[0, epoch], epochs[2, epoch], strict=True):
            assert torch.equal(ours.frames, theirs.frames)
            assert torch.equal(ours.joints, theirs.joints)
            assert torch.equal(ours.gaps, theirs.gaps)
            assert [p.person_id for p in ours.people] == [p.person_id for p in theirs.people]
    first, second = epochs[2, 0][0], epochs[2, 1][0]
    assert not torch.equal(first.frames, second.frames)


def test_resuming_gives_the_epoch_that_would_have_come(dataset):
    whole = make_train_loader(dataset, batch_size=4, workers=0, seed=1)
    for epoch in range(3):
        whole.sampler.set_epoch(epoch)
        uninterrupted = list(whole)
    resumed = make_train_loader(dataset, batch_size=4, workers=0, seed=1)
    resumed.sampler.set_epoch(2)
    for ours, theirs in zip(resumed, uninterrupted, strict=True):
        assert torch.equal(ours.frames, theirs.frames)


def test_loading_leaves_the_global_random_state_alone(dataset):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    list(make_train_loader(dataset, batch_size=4, workers=0, seed=1))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("world_size", [1, 2, 3, 4, 25])
def test_every_sample_once_per_epoch(world_size):
    samplers = [EpochSampler(10, seed=0, rank=r, world_size=world_size) for r in range(world_size)]
    shares = [list(sampler) for sampler in samplers]
    assert len({len(share) for share in shares}) == 1
    assert all(len(sampler) == len(share) for sampler, share in zip(samplers, shares, strict=True))
    counts = np.bincount([index for share in shares for _, index in share], minlength=10)
    assert counts.min() >= 1
    assert counts.sum() == world_size * -(-10 // world_size)


def test_order_changes_with_epoch_and_seed():
    sampler = EpochSampler(100, seed=0)
    first = [index for _, index in sampler]
    sampler.set_epoch(1)
    second = list(sampler)
    assert {epoch for epoch, _ in second} == {1}
    assert [index for _, index in second] != first
    assert [index for _, index in EpochSampler(100, seed=1)] != first
    assert [index for _, index in EpochSampler(100, seed=0)] == first


@pytest.mark.parametrize(("samples", "rank", "world_size"), [(0, 0, 1), (5, 2, 2), (5, -1, 2)])
def test_sampler_refuses(samples, rank, world_size):
    with pytest.raises(ValueError, match="expected 0 <= rank < world_size"):
        EpochSampler(samples, seed=0, rank=rank, world_size=world_size)


def grouped_batches(data_folder, group_frames, world_size=1, **kwargs):
    """Batches of 12 of an epoch of 60 people, six a frame, of all processes."""
    options = ClipOptions(crop_wh=(96, 128))
    dataset = PoseTrackClips(
        data_folder.videos(), options, Augmentation(), seed=0, read=data_folder.read
    )
    batches = []
    for rank in range(world_size):
        loader = make_train_loader(
            dataset, 12, seed=1, rank=rank, world_size=world_size, group_frames=group_frames,
            **kwargs,
        )  # fmt: skip
        loader.sampler.set_epoch(3)
        batches += list(loader)
    return batches


@pytest.mark.parametrize("world_size", [1, 2])
def test_people_of_a_frame_share_its_decodes(data_folder, world_size):
    data_folder.add_video("000001_test", num_frames=10, people=6)
    grouped = grouped_batches(data_folder, 1, world_size, workers=0)
    # 10 frames, of which 8 have two neighbours, each decoded for its own people alone; batches and
    # processes hold whole frames; frames of a batch that are neighbours share more
    assert data_folder.decoded.total() <= 8 * 3 + 2 * 2
    data_folder.decoded.clear()
    one_by_one = grouped_batches(data_folder, 0, world_size, workers=0)
    assert data_folder.decoded.total() > 40  # nearly all of the 10 frames in each of 5 batches
    for batches in (grouped, one_by_one):
        people = [(p.frame, p.track_id) for batch in batches for p in batch.people]
        assert sorted(people) == [(frame, track) for frame in range(10) for track in range(6)]


def test_grouping_and_workers_change_no_sample(data_folder):
    data_folder.add_video("000001_test", num_frames=10, people=6)

    def samples(batches):
        return {
            (person.frame, person.track_id): (batch.frames[row], batch.joints[row])
            for batch in batches
            for row, person in enumerate(batch.people)
        }

    runs = [
        samples(grouped_batches(data_folder, group_frames, workers=workers))
        for group_frames, workers in ((0, 0), (1, 0), (2, 2))
    ]
    assert len(runs[0]) == 60
    for other in runs[1:]:
        for key, (frames, joints) in runs[0].items():
            assert torch.equal(other[key][0], frames)
            assert torch.equal(other[key][1], joints)
