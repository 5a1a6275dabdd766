import cv2
import numpy as np
import pytest

from dcpose.skeleton import POSETRACK
from dcpose.synthetic.actors import draw_actors
from dcpose.synthetic.bursts import CONDITIONS
from dcpose.synthetic.video import LABELLED, Video, _long_runs

WH = (320, 180)


@pytest.fixture(scope="module")
def videos():
    made = []
    for seed in range(8):
        video = Video(16, WH, np.random.default_rng([7, seed]))
        made.append((video, list(video), video.truth))
    return made


def test_frames_are_pictures_of_the_asked_size(videos):
    for _, frames, _ in videos:
        assert len(frames) == 16
        for frame in frames:
            assert frame.shape == (180, 320, 3)
            assert frame.dtype == np.uint8
            assert frame.std() > 8


def test_truth_is_inside_the_image_and_ears_are_never_labelled(videos):
    for video, _, truth in videos:
        joints = truth.joints
        assert joints.shape == (len(video.actors), 16, 17, 3)
        assert set(np.unique(joints[..., 2])) <= {0, 1}
        assert (joints[joints[..., 2] == 0] == 0).all()
        seen = joints[joints[..., 2] == 1]
        assert (seen[:, :2] >= 0).all()
        assert (seen[:, :2] < WH).all()
        ears = [POSETRACK.index("left_ear"), POSETRACK.index("right_ear")]
        assert (joints[..., ears, :] == 0).all()
        assert len(LABELLED) == 15


def test_boxes_hold_the_joints(videos):
    for _, _, truth in videos:
        for box, name in ((truth.box_xywh, None), (truth.head_xywh, ("head_top", "head_bottom"))):
            index = [POSETRACK.index(n) for n in name or POSETRACK.joint_names]
            joints = truth.joints[..., index, :]
            low = box[..., None, :2] - 1e-6
            high = low + box[..., None, 2:] + 2e-6
            inside = ((joints[..., :2] >= low) & (joints[..., :2] <= high)).all(-1)
            assert inside[joints[..., 2] == 1].all()


def test_every_condition_occurs_and_clean_people_too(videos):
    flags = np.concatenate([truth.conditions.reshape(-1, 4) for _, _, truth in videos])
    assert flags.shape[1] == len(CONDITIONS)
    assert flags.any(axis=0).all()
    assert 0.2 < flags.any(axis=1).mean() < 0.75


def test_defocused_frames_have_less_detail_than_clean_ones(videos):
    ratios = []
    for _, frames, truth in videos:
        # smoothed a little, or the noise of the sensor would count as detail
        smooth = [cv2.GaussianBlur(frame, (0, 0), 1.5).astype(float) for frame in frames]
        detail = np.array([np.abs(np.diff(frame, axis=1)).mean() for frame in smooth])
        defocused = truth.conditions[..., CONDITIONS.index("defocus")].any(axis=0)
        clean = ~truth.conditions[..., :2].any(axis=(0, 2))
        ratios += (detail[defocused] / detail[clean].mean()).tolist()
    assert ratios
    assert np.median(ratios) < 0.8


def test_ignore_regions_are_polygons_inside_the_image(videos):
    regions = [p for _, _, truth in videos for frame in truth.ignore for p in frame]
    assert regions
    for polygon in regions:
        assert polygon.shape == (4, 2)
        assert (polygon >= 0).all()
        assert (polygon < WH).all()


def test_only_long_runs_hide_a_joint():
    hidden = np.zeros((1, 10, 2), bool)
    hidden[0, 1:4, 0] = True  # three frames in a row: a burst
    hidden[0, 5:10, 1] = True  # five: hidden for long
    expected = np.zeros_like(hidden)
    expected[0, 5:10, 1] = True
    np.testing.assert_array_equal(_long_runs(hidden, 3), expected)


def test_nearer_people_are_larger_and_stand_lower():
    rng = np.random.default_rng(0)
    actors = draw_actors(5, 12, (640, 360), 110.0, rng)
    scale = np.concatenate([actor.scale for actor in actors])
    row = np.concatenate([actor.feet[:, 1] for actor in actors])
    order = np.argsort(scale)
    assert (np.diff(row[order]) >= 0).all()
    heights = [actor.body.height * actor.scale[6] for actor in actors]
    assert all(0.25 * 360 < height < 0.9 * 360 for height in heights)
