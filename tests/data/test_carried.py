"""Who is looked for in frames without labels, and in which box."""

import numpy as np
import pytest

from dcpose.data.carried import held_out, without_labels


@pytest.fixture
def video(data_folder):
    """Eight frames, of which 1 and 5 have the same two people."""
    data_folder.add_video("000001_mpii_a", num_frames=8, people=2, labelled={1, 5})
    (video,) = data_folder.videos()
    for person in video.people:
        person.box_xywh[0] = 10 * person.frame  # they move 10 px a frame
    return video


def test_frames_near_labels(video):
    found = without_labels([video], reach=1)
    assert [(c.person.frame, c.person.track_id) for c in found] == [
        (frame, track) for frame in (0, 2, 4, 6) for track in (0, 1)
    ]
    assert all(c.truth is None and c.person.joints is None for c in found)
    assert [c.labelled.frame for c in found] == [1, 1, 1, 1, 5, 5, 5, 5]
    # between labels the box moves along, beyond them it stays
    assert [c.person.box_xywh[0] for c in found[::2]] == [10, 20, 40, 50]
    assert len(without_labels([video], reach=2)) == 2 * 6


def test_labels_that_are_held_out(video):
    assert held_out([video], reach=3) == []
    # the first of a track is 1 from others, the second 2 ..., in turn; 4 comes never
    found = held_out([video], reach=4)
    assert found == []
    for person in video.people:
        assert np.isfinite(person.box_xywh).all()


def test_held_out_labels_in_a_row(data_folder):
    data_folder.add_video("000002_mpii_b", num_frames=4)
    (video,) = data_folder.videos()
    found = held_out([video], reach=2)
    # frame 0 from 1, frame 1 from 3, frame 2 from 1 or 3, frame 3 from 1
    assert [c.person.frame for c in found] == [0, 1, 2, 3]
    assert [abs(c.labelled.frame - c.person.frame) for c in found] == [1, 2, 1, 2]
    for carried in found:
        assert carried.truth is not None
        assert carried.person.joints is None
