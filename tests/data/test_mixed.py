"""Several data sets in one training: how often whom, joints by name, weights."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

import dcpose
from dcpose.build.data import read_train_sets
from dcpose.build.training import build_train_loader
from dcpose.data.clip import ClipOptions
from dcpose.data.dataset import PoseTrackClips
from dcpose.data.loader import EpochBatches
from dcpose.data.mixed import MixedClips, Part, with_joints_of
from dcpose.formats.posetrack.records import read_annotations
from dcpose.skeleton import POSETRACK, Skeleton


@pytest.fixture
def videos(sample_dir):
    return read_annotations(sample_dir / "annotations" / "train", sample_dir)


@pytest.fixture
def clips(videos):
    """Function -> clips of some of the people of the sample."""
    options = ClipOptions(crop_wh=(32, 32), missing_neighbors="repeat")

    def make(count):
        people = [person for video in videos for person in video.people]
        few = people[:count]
        kept = [replace(v, people=[p for p in few if p.video == v.name]) for v in videos]
        return PoseTrackClips(kept, options, None, seed=0)

    return make


def places(mixed, epoch):
    return [mixed._place(epoch, index) for index in range(len(mixed))]


def test_without_shares_everybody_comes_once(clips):
    mixed = MixedClips([Part(clips(2)), Part(clips(3))], seed=0)
    assert len(mixed) == 5
    for epoch in (0, 7):
        found = Counter((number, person) for number, (_, person) in places(mixed, epoch))
        assert found == Counter([(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)])


def test_shares_decide_and_turns_are_even(clips):
    mixed = MixedClips([Part(clips(4), share=1), Part(clips(2), share=3)], seed=0)
    assert (len(mixed), mixed.counts) == (6, [2, 4])
    per_epoch = [Counter(number for number, _ in places(mixed, epoch)) for epoch in range(4)]
    assert all(count == {0: 2, 1: 4} for count in per_epoch)
    # after two epochs each of the first four came once, each of the other two four times
    everybody = Counter(
        (number, person) for epoch in range(2) for number, (_, person) in places(mixed, epoch)
    )
    assert set(everybody.values()) == {1, 4}
    # each time in another turn, so in another view
    turns = Counter(place for epoch in range(2) for place in places(mixed, epoch))
    assert set(turns.values()) == {1}


def test_a_sample_is_that_of_its_set_and_counts_so_much(clips):
    first, second = clips(2), clips(3)
    mixed = MixedClips([Part(first), Part(second, weight=0.25)], seed=0)
    samples = mixed.__getitems__([(1, index) for index in (4, 0, 2)])
    for sample, index in zip(samples, (4, 0, 2), strict=True):
        number, own = mixed._place(1, index)
        expected = (first, second)[number][own]
        assert np.array_equal(sample.frames, expected.frames)
        # the loss squares the weights of joints
        factor = 0.5 if number else 1.0
        np.testing.assert_allclose(sample.joint_weights, factor * expected.joint_weights)
    assert [p.person_id for p in mixed.people] == [
        (first, second)[n].people[i].person_id for n, (_, i) in places(mixed, 0)
    ]
    with pytest.raises(IndexError):
        mixed[5]
    with pytest.raises(ValueError, match="every set a share, or none"):
        MixedClips([Part(first, share=1), Part(second)], seed=0)


def _skeleton(*names):
    return Skeleton("own", names, (), (), (), names, ())


def test_joints_by_name(videos):
    person = videos[0].people[0]
    wanted = _skeleton("tail", "left_ankle", "nose")
    (moved, *_) = with_joints_of(videos, POSETRACK, wanted)[0].people
    names = POSETRACK.joint_names
    assert moved.joints[0].tolist() == [0, 0, 0]
    assert np.array_equal(moved.joints[1], person.joints[names.index("left_ankle")])
    assert np.array_equal(moved.joints[2], person.joints[names.index("nose")])
    with pytest.raises(ValueError, match="none of the joints"):
        with_joints_of(videos, POSETRACK, _skeleton("tail"))


def test_sets_of_a_config(tiny_cfg, sample_dir, tmp_path):
    sets = f"[{{root: {sample_dir}, weight: 0.25}}, {{root: {sample_dir}}}]"
    cfg = dcpose.load_config(tiny_cfg, [f"data.sets={sets}", "data.group_frames=0"])
    loader = build_train_loader(cfg)
    (first, videos), (second, _) = read_train_sets(cfg)
    assert (first.weight, second.weight) == (0.25, 1)
    count = len(loader.dataset)
    assert count == 2 * sum(p.joints[:, 2].any() for v in videos for p in v.people)
    batches = list(EpochBatches(loader, 0))
    weights = np.concatenate([batch.joint_weights.numpy().ravel() for batch in batches])
    assert set(np.unique(weights)) == {0, 0.5, 1}
    assert (weights == 0.5).sum() > 0


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data.sets=[{root: a, share: 1}, {root: b}]"], "some have a share and others not"),
        (["data.sets=[{root: a}]", "data.group_frames=1"], "set data.group_frames=0"),
        (["data.sets=[{root: a}]", "data.draws=2"], "set data.draws=null"),
        (["data.sets=[{root: a, rot: b}]"], r"data\.sets\[0\]\.rot: unknown key"),
        (["data.sets=[{root: a}, {share: 1}]"], r"data\.sets\[1\]\.root: missing"),
        (["data.sets=[{root: a, share: 0}]"], r"data\.sets\[0\]\.share: found 0, expected"),
        (["data.sets=[]"], "data.sets"),
    ],
)
def test_wrong_sets_are_refused(tiny_cfg, overrides, message):
    with pytest.raises(ValueError, match=message) as error:
        dcpose.load_config(tiny_cfg, ["data.group_frames=0", *overrides])
    assert "data.sets" in str(error.value)


def test_a_set_that_is_not_there(tiny_cfg, tmp_path):
    sets = f"data.sets=[{{root: {tmp_path}/nowhere}}]"
    cfg = dcpose.load_config(tiny_cfg, [sets, "data.group_frames=0"])
    with pytest.raises(ValueError, match=r"data\.sets: no such folder"):
        build_train_loader(cfg)
