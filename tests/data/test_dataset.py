"""Training samples: image and joints move together, nothing but (seed, epoch, i) matters."""

import numpy as np
import pytest

from dcpose.data.augment import Augmentation
from dcpose.data.clip import ClipOptions
from dcpose.data.dataset import PoseTrackClips
from dcpose.data.frames import FrameError
from dcpose.geometry import apply_affine
from dcpose.skeleton import POSETRACK

OPTIONS = ClipOptions(crop_wh=(96, 128))


def make(data_folder, augmentation=None, options=OPTIONS, seed=0, **kwargs):
    return PoseTrackClips(data_folder.videos(), options, augmentation, seed, **kwargs)


def test_sample(data_folder):
    data_folder.add_video("000001_test", num_frames=5)
    sample = make(data_folder)[2]
    assert sample.frames.shape == (3, 128, 96, 3)
    assert sample.frames.dtype == np.uint8
    # grey levels say which frame a crop comes from: 20 + 10 * number
    assert sample.frames[:, 64, 48, 0].tolist() == [30, 40, 50]
    assert sample.gaps.tolist() == [1, 1]
    assert sample.joints.dtype == sample.joint_weights.dtype == np.float32
    np.testing.assert_array_equal(sample.joint_weights, sample.person.joints[:, 2])
    back = apply_affine(sample.joints.astype(float), sample.crop_to_image)
    np.testing.assert_allclose(back, sample.person.joints[:, :2], atol=1e-3)


@pytest.mark.parametrize(
    "augmentation",
    [
        Augmentation(flip_prob=0, rotation_prob=0),
        Augmentation(flip_prob=1, rotation_prob=0),
        Augmentation(flip_prob=0, rotation_prob=1),
        Augmentation(flip_prob=1, rotation_prob=1, half_body_prob=0),
    ],
)
def test_one_bright_pixel_stays_under_its_joint(data_folder, augmentation):
    data_folder.add_video("000001_test", num_frames=3)
    elbow = POSETRACK.index("left_elbow")
    for x, y in [(58, 50), (48, 60), (62, 70)]:
        videos = data_folder.videos()
        for person in videos[0].people:
            person.joints[elbow, :2] = x, y

        def read(path, x=x, y=y):
            frame = np.zeros((120, 160, 3), np.uint8)
            frame[y, x] = 255
            return frame

        dataset = PoseTrackClips(videos, OPTIONS, augmentation, seed=x, read=read)
        sample = dataset[1]
        channel = POSETRACK.flip_permutation[elbow] if augmentation.flip_prob else elbow
        joint = sample.joints[channel]
        assert (joint > 0).all()
        assert (joint < [96, 128]).all()
        # the lit pixel is several crop pixels wide; its centre of mass is the joint
        weights = sample.frames[1, :, :, 0].astype(float)
        ys, xs = np.mgrid[:128, :96]
        centroid = np.array([(weights * xs).sum(), (weights * ys).sum()]) / weights.sum()
        np.testing.assert_allclose(centroid, joint, atol=0.15)
        brightest = np.unravel_index(weights.argmax(), weights.shape)[::-1]
        np.testing.assert_allclose(brightest, joint, atol=1.5)


def test_all_frames_are_cut_with_one_matrix(data_folder):
    data_folder.add_video("000001_test", num_frames=3)
    texture = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    sample = make(data_folder, Augmentation(), read=lambda path: texture)[1]
    np.testing.assert_array_equal(sample.frames[0], sample.frames[1])
    np.testing.assert_array_equal(sample.frames[0], sample.frames[2])


def test_window_does_not_change_the_current_crop(data_folder):
    data_folder.add_video("000001_test", num_frames=9)
    texture = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    texture = {number: texture + np.uint8(number) for number in range(9)}
    sets = [
        make(data_folder, Augmentation(), ClipOptions((96, 128), max_gap=max_gap),
             read=lambda path: texture[int(path.stem)])
        for max_gap in (1, 4)
    ]  # fmt: skip
    near, far = ([dataset[2, index] for index in range(9)] for dataset in sets)
    for ours, theirs in zip(near, far, strict=True):
        np.testing.assert_array_equal(ours.frames[1], theirs.frames[1])
        np.testing.assert_array_equal(ours.joints, theirs.joints)
    assert max(gap for sample in far for gap in sample.gaps) > 1


def test_sample_depends_on_seed_epoch_and_index_only(data_folder):
    data_folder.add_video("000001_test", num_frames=9)
    options = ClipOptions(crop_wh=(96, 128), max_gap=4)
    first = make(data_folder, Augmentation(), options, seed=3)
    second = make(data_folder, Augmentation(), options, seed=3)
    np.random.seed(1)  # global state must not matter
    _ = [second[(5, i)] for i in (7, 0, 4)]
    ours, again = first[(2, 4)], second[(2, 4)]
    np.testing.assert_array_equal(ours.frames, again.frames)
    np.testing.assert_array_equal(ours.joints, again.joints)
    others = [
        first[(3, 4)],
        first[(2, 5)],
        make(data_folder, Augmentation(), options, seed=4)[(2, 4)],
    ]
    assert all((other.crop_to_image != ours.crop_to_image).any() for other in others)
    np.testing.assert_array_equal(first[4].frames, first[(0, 4)].frames)


def test_clip_border_repeats_the_frame(data_folder):
    data_folder.add_video("000001_test", num_frames=3)
    dataset = make(data_folder, read=data_folder.read)
    sample = dataset[0]
    assert sample.frames[:, 64, 48, 0].tolist() == [20, 20, 30]
    assert sample.gaps.tolist() == [1, 1]
    assert data_folder.decoded.total() == 2


def test_models_of_one_frame_get_one_frame(data_folder):
    data_folder.add_video("000001_test", num_frames=3)
    options = ClipOptions(crop_wh=(96, 128), frames=(0,))
    sample = make(data_folder, options=options, read=data_folder.read)[1]
    assert sample.frames.shape == (1, 128, 96, 3)
    assert data_folder.decoded.total() == 1


def test_pairs_have_the_current_frame_last_and_draw_the_other_one_anew_each_epoch(data_folder):
    data_folder.add_video("000001_test", num_frames=5, labelled={2})
    options = ClipOptions(crop_wh=(96, 128), max_gap=2, frames="support")
    dataset = make(data_folder, options=options)
    levels = [dataset[epoch, 0].frames[:, 64, 48, 0].tolist() for epoch in range(40)]
    assert {current for _, current in levels} == {40}  # 20 + 10 * number of the frame
    assert {support for support, _ in levels} == {20, 30, 40, 50, 60}


def test_missing_frames_are_found_before_training(data_folder):
    data_folder.add_video("000001_test", labelled={2})
    data_folder.videos()[0].frame_path(3).unlink()
    with pytest.raises(FrameError, match=r"000003\.jpg: neighbour frame not found"):
        make(data_folder)
    repeating = ClipOptions(crop_wh=(96, 128), missing_neighbors="repeat")
    assert make(data_folder, options=repeating)[0].frames[:, 64, 48, 0].tolist() == [30, 40, 40]


def test_resized_frames_are_refused(data_folder):
    data_folder.add_video("000001_test")
    small = np.zeros((60, 80, 3), np.uint8)
    with pytest.raises(FrameError, match="frame is 80x60, expected 160x120"):
        make(data_folder, read=lambda path: small)[0]


def test_nothing_to_train_on(data_folder):
    data_folder.add_video("000001_test", people=0)
    with pytest.raises(ValueError, match=r"no person with a labelled joint in .*annotations"):
        make(data_folder)


@pytest.mark.parametrize("index", [-1, 6])
def test_index_out_of_range(data_folder, index):
    data_folder.add_video("000001_test")
    with pytest.raises(IndexError, match=f"sample {index} of 6"):
        make(data_folder)[index]


def test_negative_seed_is_refused(data_folder):
    with pytest.raises(ValueError, match="seed must be >= 0"):
        PoseTrackClips([], OPTIONS, None, seed=-1)


def test_batches_decode_a_frame_once_and_drop_it(data_folder):
    data_folder.add_video("000001_test", num_frames=40)
    alive = []

    class Frame(np.ndarray):
        count = 0

        def __del__(self):
            Frame.count -= 1

    def read(path):
        data_folder.decoded[path] += 1
        Frame.count += 1
        alive.append(Frame.count)
        return np.zeros((120, 160, 3), np.uint8).view(Frame)

    dataset = make(data_folder, None, ClipOptions((96, 128)), read=read)
    keys = [(0, index) for index in np.random.default_rng(0).permutation(40).tolist()]
    samples = dataset.__getitems__(keys)
    assert [sample.person.frame for sample in samples] == [index for _, index in keys]
    assert set(data_folder.decoded.values()) == {1}
    assert max(alive) <= 4  # three of a clip, and one that is about to be dropped
