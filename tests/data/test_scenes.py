"""Windows for the person detector: boxes and pixels move together."""

import numpy as np
import pytest

from dcpose.data.appearance import Appearance
from dcpose.data.scenes import MIN_SIDE, PersonScenes


def scenes(data_folder, read=None, side=96, seed=0, person_range=(20, 90)):
    videos = data_folder.videos()
    read = read or (lambda path: np.full((120, 160, 3), 90, np.uint8))
    return PersonScenes(videos, side, person_range, Appearance(), seed, read)


@pytest.fixture
def folder(data_folder):
    data_folder.add_video("000001_test", num_frames=3)
    return data_folder


def test_sample(folder):
    scene = scenes(folder)[0, 0]
    assert scene.image.shape == (96, 96, 3)
    assert scene.image.dtype == np.uint8
    assert scene.corners.shape[1] == scene.ignored.shape[1] == 4


def test_a_bright_box_stays_under_its_corners(folder):
    for video in (videos := folder.videos()):
        for person in video.people:
            person.box_xywh[:] = 40, 30, 50, 60

    def read(path):
        frame = np.zeros((120, 160, 3), np.uint8)
        frame[30:90, 40:90] = 200
        return frame

    dataset = PersonScenes(videos, 96, (20, 90), Appearance(), 0, read)
    seen = 0
    for epoch in range(40):
        scene = dataset[epoch, 0]
        for x0, y0, x1, y1 in scene.corners:
            lit = np.argwhere(scene.image[..., 0] > 100)
            np.testing.assert_allclose(lit.min(axis=0)[::-1], [x0, y0], atol=2)
            np.testing.assert_allclose(lit.max(axis=0)[::-1] + 1, [x1, y1], atol=2)
            assert max(x1 - x0, y1 - y0) >= MIN_SIDE
            seen += 1
    assert seen > 20


def test_same_key_same_scene(folder):
    first, again = scenes(folder)[3, 1], scenes(folder)[3, 1]
    np.testing.assert_array_equal(first.corners, again.corners)
    assert any(
        not np.array_equal(scenes(folder)[epoch, 1].corners, first.corners) for epoch in range(3)
    )


def test_regions_without_labels_are_ignored(folder):
    videos = folder.videos()
    for entry in videos[0].images:
        entry["ignore_regions_x"] = [[0, 160, 160, 0]]
        entry["ignore_regions_y"] = [[0, 0, 120, 120]]
    scene = PersonScenes(
        videos, 96, (20, 90), Appearance(), 0, lambda p: np.zeros((120, 160, 3), np.uint8)
    )[0, 0]
    x0, y0, x1, y1 = scene.ignored[-1]
    assert x1 - x0 == pytest.approx((y1 - y0) * 160 / 120)


def test_nobody_is_an_error(folder):
    videos = folder.videos()
    videos[0].people.clear()
    with pytest.raises(ValueError, match="nobody is labelled"):
        PersonScenes(videos, 96, (20, 90), Appearance(), 0)
