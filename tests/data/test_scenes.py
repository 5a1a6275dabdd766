"""Windows for the person detector: boxes and pixels move together."""

import numpy as np
import pytest

from dcpose.data import scenes as scenes_module
from dcpose.data.appearance import Appearance
from dcpose.data.scenes import MARGIN, MIN_SIDE, PersonScenes

GRAY = np.full((120, 160, 3), 90, np.uint8)


def scenes(videos, read=lambda path: GRAY, seed=0, **options):
    return PersonScenes(videos, 96, (0.2, 0.9), Appearance(), seed, read=read, **options)


@pytest.fixture
def videos(data_folder):
    data_folder.add_video("000001_test", num_frames=3)
    return data_folder.videos()


def test_sample(videos):
    scene = scenes(videos)[0, 0]
    assert scene.image.shape == (96, 96, 3)
    assert scene.image.dtype == np.uint8
    assert scene.corners.shape[1] == scene.ignored.shape[1] == 4


@pytest.mark.parametrize("mosaic", [0, 1])
def test_a_bright_person_stays_under_its_corners(videos, mosaic, monkeypatch):
    monkeypatch.setattr(scenes_module, "MOSAIC_PROB", mosaic)
    for person in videos[0].people:
        person.box_xywh[:] = 40, 30, 50, 60

    def read(path):
        frame = np.zeros((120, 160, 3), np.uint8)
        frame[30:90, 40:90] = 200
        return frame

    dataset, seen = scenes(videos, read), 0
    for epoch in range(40):
        scene = dataset[epoch, 0]
        bright = scene.image[..., 0] > 100
        for corners in scene.corners:
            # rendered boxes have a margin, which goes where the person is not cut
            wide = corners[2:] - corners[:2]
            spare = np.ceil(MARGIN / (1 - 2 * MARGIN) * np.tile(wide, 2)) + 2
            x0, y0, x1, y1 = np.round(corners + np.array([0.5, 0.5, -0.5, -0.5])).astype(int)
            assert bright[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1].all()
            x0, y0, x1, y1 = np.round(corners + spare * (-1, -1, 1, 1)).astype(int).clip(0, 96)
            ring = bright[y0:y1, x0:x1].sum() - bright[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1].sum()
            at_border = (corners < spare).any() or (corners > 96 - spare).any()
            assert at_border or mosaic or ring == 0
            assert wide.max() >= MIN_SIDE
            seen += 1
    assert seen > 20


def test_same_key_same_scene(videos):
    first, again = scenes(videos)[3, 1], scenes(videos)[3, 1]
    np.testing.assert_array_equal(first.corners, again.corners)
    others = [scenes(videos)[epoch, 1].corners for epoch in range(3)]
    assert any(not np.array_equal(other, first.corners) for other in others)


def test_who_stands_behind_is_ignored(videos):
    for person in videos[0].people:
        person.box_xywh[:] = 40, 30, 50, 60 + person.track_id
    frame = videos[0].people[0].frame
    count = sum(person.frame == frame for person in videos[0].people)
    for epoch in range(20):
        scene = scenes(videos)[epoch, 0]
        if len(scene.corners) == 1:  # no mosaic
            assert len(scene.ignored) == count - 1
            return
    pytest.fail("no window")


def test_regions_without_labels_are_ignored(videos, monkeypatch):
    monkeypatch.setattr(scenes_module, "MOSAIC_PROB", 0)
    for entry in videos[0].images:
        entry["ignore_regions_x"] = [[0, 160, 160, 0]]
        entry["ignore_regions_y"] = [[0, 0, 120, 120]]
    scene = scenes(videos)[0, 0]
    x0, y0, x1, y1 = scene.ignored[-1]
    assert min(x0, y0) >= 0
    assert max(x1, y1) <= 96
    assert x1 - x0 > 48


def test_pictures_without_people(videos, tmp_path, monkeypatch):
    monkeypatch.setattr(scenes_module, "EMPTY_PROB", 1)
    picture = np.full((50, 300, 3), 200, np.uint8)
    read = {tmp_path / "photo.jpg": picture}.__getitem__
    scene = scenes(videos, read, empty=[tmp_path / "photo.jpg"])[0, 0]
    assert (scene.image == 200).all()
    assert len(scene.corners) == len(scene.ignored) == 0


def test_nobody_is_an_error(videos):
    videos[0].people.clear()
    with pytest.raises(ValueError, match="nobody is labelled"):
        scenes(videos)
