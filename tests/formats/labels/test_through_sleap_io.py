"""Labels that sleap-io reads: with stand-ins for its objects, and with the library itself."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dcpose.formats.labels.reading import read_labels
from dcpose.formats.labels.through_sleap_io import from_sleap_io, read_through_sleap_io


@dataclass
class Instance:
    """A labelled animal, with the part of sleap-io's interface that is used."""

    points: list
    skeleton: Any
    track: Any = None

    def numpy(self):
        return np.array(self.points, dtype=float)


@dataclass
class PredictedInstance(Instance):
    score: float = 0.9


@dataclass
class Loaded:
    labeled_frames: list
    skeletons: list
    tracks: list = field(default_factory=list)


def _skeleton():
    nodes = [SimpleNamespace(name=name) for name in ("nose", "tail")]
    edge = SimpleNamespace(source=nodes[0], destination=nodes[1])
    return SimpleNamespace(node_names=["nose", "tail"], edges=[edge])


def test_instances_tracks_and_predictions(tmp_path):
    skeleton, tracks = _skeleton(), [SimpleNamespace(name="a"), SimpleNamespace(name="b")]
    video = SimpleNamespace(filename="far/away/run.mp4")
    (tmp_path / "run.mp4").touch()
    people = [
        Instance([[1, 2], [3, 4]], skeleton, tracks[1]),
        Instance([[5, 6], [np.nan, np.nan]], skeleton),
        PredictedInstance([[7, 8], [9, 9]], skeleton),
    ]
    frames = [
        SimpleNamespace(video=video, frame_idx=40, instances=people),
        SimpleNamespace(video=video, frame_idx=7, instances=people[2:]),
    ]
    labels = from_sleap_io([Loaded(frames, [skeleton], tracks)], tmp_path / "labels.slp")
    (made,) = labels.videos
    assert (made.name, made.file) == ("run", tmp_path / "run.mp4")
    assert labels.limbs == (("nose", "tail"),)
    (frame,) = made.frames
    assert (frame.number, frame.image) == (40, None)
    assert [person.track_id for person in frame.people] == [1, 2]
    np.testing.assert_array_equal(frame.people[1].joints, [[5, 6, 2], [0, 0, 0]])
    assert labels.left_out == {"predicted instances": 2, "frames without a labelled joint": 1}


def test_images_of_one_folder_are_one_video(tmp_path):
    skeleton = _skeleton()
    frames = [
        SimpleNamespace(
            video=SimpleNamespace(filename=[f"clip/{number:06d}.png"]),
            frame_idx=0,
            instances=[Instance([[number, 2], [3, 4]], skeleton)],
        )
        for number in (9, 3)
    ]
    labels = from_sleap_io([Loaded(frames, [skeleton])], tmp_path / "labels.json")
    (video,) = labels.videos
    assert [frame.number for frame in video.frames] == [3, 9]
    assert video.frames[0].people[0].joints[0, 0] == 3


def test_predictions_alone_are_no_labels(tmp_path):
    skeleton = _skeleton()
    video = SimpleNamespace(filename="run.mp4")
    instances = [PredictedInstance([[1, 2], [3, 4]], skeleton)]
    frames = [SimpleNamespace(video=video, frame_idx=0, instances=instances)]
    with pytest.raises(ValueError, match="no labelled frame; predictions of a model"):
        from_sleap_io([Loaded(frames, [skeleton])], tmp_path)


def test_without_sleap_io_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sleap_io", None)
    with pytest.raises(ValueError, match=r"pip install -U 'dcpose\[labels\]'"):
        read_through_sleap_io(tmp_path / "a.slp", "sleap")


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Three images with labels, as files that sleap-io wrote: SLEAP, Label Studio, YOLO."""
    sio = pytest.importorskip("sleap_io", reason="needs the extra 'labels'")
    cv2 = pytest.importorskip("cv2")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip").mkdir()
    images = [f"clip/{number:06d}.png" for number in (3, 4, 7)]
    for image in images:
        cv2.imwrite(image, np.zeros((64, 96, 3), np.uint8))
    skeleton = sio.Skeleton(["left_ear", "right_ear"], edges=[("left_ear", "right_ear")])
    video = sio.load_video(images)
    frames = [
        sio.LabeledFrame(
            video=video,
            frame_idx=index,
            instances=[sio.Instance.from_numpy(np.array([[10.0 + index, 20], [30, 40]]), skeleton)],
        )
        for index in range(3)
    ]
    labels = sio.Labels(frames, videos=[video], skeletons=[skeleton])
    sio.save_slp(labels, "labels.slp")
    sio.save_labelstudio(labels, "tasks.json")
    sio.save_ultralytics(labels, "yolo")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "form"), [("labels.slp", "sleap"), ("tasks.json", "label-studio"), ("yolo", "yolo")]
)
def test_files_of_the_library(written, name, form):
    labels, found = read_labels(written / name)
    assert found == form
    columns = [labels.joint_names.index(name) for name in ("left_ear", "right_ear")]
    frames = [frame for video in labels.videos for frame in video.frames]
    assert all(frame.image is not None for frame in frames)
    joints = sorted(frame.people[0].joints[columns][:, :2].round(2).tolist() for frame in frames)
    expected = [[[10, 20], [30, 40]], [[11, 20], [30, 40]], [[12, 20], [30, 40]]]
    np.testing.assert_allclose(joints, expected, atol=0.02)


@pytest.mark.parametrize(
    ("source", "file", "form", "content"),
    [
        ("labels.slp", "labels.slp", "sleap", "no HDF5"),
        ("tasks.json", "tasks.json", "label-studio", '[{"annotations": 3, "data": {}}]'),
        ("yolo", "yolo/data.yaml", "yolo", "kpt_shape: many"),
        ("yolo", "yolo/train/labels/*.txt", "yolo", "0 0.5 left"),
    ],
)
def test_damaged_files_give_one_line(written, source, file, form, content):
    path = next(written.glob(file))
    path.write_text(content)
    with pytest.raises(ValueError, match=f"{source}: sleap-io cannot read it as {form}") as caught:
        read_labels(written / source, form)
    assert "\n" not in str(caught.value)
