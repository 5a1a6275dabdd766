"""XML of CVAT, for video and for images."""

import numpy as np
import pytest

from dcpose.formats.labels.cvat import read_cvat
from dcpose.formats.labels.reading import read_labels

VIDEO = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version>
<meta><task><name>walk</name><start_frame>0</start_frame><source>walk.mp4</source></task></meta>
<track id="0" label="person">
 <skeleton frame="4" keyframe="1">
  <points label="nose" outside="0" occluded="0" points="10.5,20"/>
  <points label="tail" outside="1" occluded="0" points="1,1"/>
 </skeleton>
 <skeleton frame="5" keyframe="0">
  <points label="nose" outside="0" occluded="0" points="11,20"/>
 </skeleton>
</track>
<track id="1" label="person">
 <skeleton frame="4" keyframe="1">
  <points label="nose" outside="0" occluded="1" points="30,40"/>
  <points label="tail" outside="0" occluded="0" points="50,60"/>
 </skeleton>
</track>
</annotations>
"""
IMAGES = """<annotations>
<image id="0" name="clip/000002.jpg" width="10" height="10">
 <points label="nose" occluded="0" points="1,2"/><points label="tail" occluded="0" points="3,4"/>
 <box label="mouse" xtl="0" ytl="0" xbr="1" ybr="1"/>
</image>
<image id="1" name="clip/000005.jpg" width="10" height="10"/>
</annotations>
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "annotations.xml"
        path.write_text(text)
        return path

    return write


def test_skeletons_of_a_video(write, tmp_path):
    (tmp_path / "walk.mp4").touch()
    labels, form = read_labels(write(VIDEO))
    assert form == "cvat"
    assert labels.joint_names == ("nose", "tail")
    (video,) = labels.videos
    assert (video.name, video.file) == ("walk", tmp_path / "walk.mp4")
    (frame,) = video.frames
    assert frame.number == 4
    assert [person.track_id for person in frame.people] == [0, 1]
    np.testing.assert_array_equal(frame.people[0].joints, [[10.5, 20, 2], [0, 0, 0]])
    np.testing.assert_array_equal(frame.people[1].joints, [[30, 40, 1], [50, 60, 2]])
    assert labels.left_out == {"frames that CVAT filled in between key frames": 1}


def test_points_of_images(write):
    labels = read_cvat(write(IMAGES))
    (video,) = labels.videos
    assert video.name == "clip"
    assert [(frame.number, len(frame.people)) for frame in video.frames] == [(2, 1), (5, 0)]
    np.testing.assert_array_equal(video.frames[0].people[0].joints, [[1, 2, 2], [3, 4, 2]])
    assert labels.left_out == {"box of an image": 1}


def test_tracks_of_single_points_are_one_person(write):
    tracks = "".join(
        f'<track id="{n}" label="{label}"><points frame="3" keyframe="1" outside="0" '
        f'occluded="0" points="{n},7"/></track>'
        for n, label in enumerate(("nose", "tail"))
    )
    labels = read_cvat(write(f"<annotations>{tracks}</annotations>"))
    (frame,) = labels.videos[0].frames
    np.testing.assert_array_equal(frame.people[0].joints, [[0, 7, 2], [1, 7, 2]])


def test_a_task_that_skips_frames(write):
    text = VIDEO.replace("</start_frame>", "</start_frame><frame_filter>step=3</frame_filter>")
    labels = read_cvat(write(text))
    assert labels.videos[0].frames[0].number == 12
    assert labels.notes == ("the task shows every 3th frame of the video",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotations>", "no valid XML"),
        ("<a/>", "expected CVAT's <annotations>"),
        ("<annotations/>", "no points and no skeletons"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations/>', "document type"),
        (VIDEO.replace('frame="4"', 'frame="x"'), "frame: 'x', expected a whole number"),
        (VIDEO.replace("10.5,20", "10.5"), r"points '10.5' of nose, expected x,y"),
        (VIDEO.replace('label="nose"', ""), "without a label"),
        (VIDEO.replace(">0</start_frame>", ">9</start_frame>"), "start_frame"),
        (IMAGES.replace("clip/000002.jpg", "../a.jpg"), "expected that of a file"),
    ],
)
def test_malformed(write, text, message):
    path = write(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_cvat(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
