"""The crop: goldens of the release, cut boxes, and the one-pixel test in test_dataset.py."""

import json

import numpy as np
import pytest

from dcpose.data.clip import ClipOptions, choose_clip
from dcpose.data.crop import crop_matrix, visible_box, warp_frames
from dcpose.data.frames import read_frame
from dcpose.structures import IMAGE_MEAN, IMAGE_STD, PersonRecord


@pytest.mark.parametrize("case", ["clip_w48", "clip_w32"])
def test_crops_of_the_release(shared_dir, case):
    # recipe: `clip_w48` in the README of the golden cases; every 8th pixel, normalised
    golden = json.loads((shared_dir / f"goldens/network/{case}.json").read_text())
    expected = np.load(shared_dir / f"goldens/network/{case}_crops.npz")["crops_pcn"]
    folder = shared_dir / "data/posetrack18_real/images/val" / golden["video"]
    frames = [read_frame(folder / f"{number:06d}.jpg") for number in range(golden["nframes"])]
    crop_wh = tuple(golden["image_wh"])
    errors = []
    for person, crops in zip(golden["people"], expected.astype(np.float32), strict=True):
        options = ClipOptions(max_gap=golden["max_gap"])
        clip = choose_clip(person["frame"], range(golden["nframes"]), options)
        matrix = crop_matrix(np.array(person["bbox_xywh"]), crop_wh, golden["enlarge"])
        ours = warp_frames([frames[n] for n in clip.numbers], matrix, crop_wh)
        ours = (ours[:, ::8, ::8] / 255 - IMAGE_MEAN) / IMAGE_STD
        errors.append(np.abs(ours.transpose(0, 3, 1, 2) - crops))
    assert np.mean(errors) <= 2e-3
    assert np.max(errors) <= 0.08


def person(box, annotated):
    joints = np.zeros((17, 3)) if annotated else None
    return PersonRecord("000001_test", 1, 0, np.array(box, float), joints=joints)


def test_annotated_boxes_are_cut_to_the_image_and_detected_ones_are_not():
    box = [-10, 20, 50, 200]
    assert visible_box(person(box, annotated=False), (100, 100)).tolist() == box
    assert visible_box(person(box, annotated=True), (100, 100)).tolist() == [0, 20, 49, 79]


@pytest.mark.parametrize("box", [[100, 0, 10, 10], [-50, 0, 50, 10], [0, 200, 5, 5]])
@pytest.mark.parametrize("annotated", [True, False])
def test_box_outside_the_image_is_never_cropped(box, annotated):
    with pytest.raises(ValueError, match=r"000001_test frame 0 box .*outside its 100x100 image"):
        visible_box(person(box, annotated), (100, 100))


def test_outside_of_the_image_is_black():
    frame = np.full((20, 20, 3), 200, np.uint8)
    shifted = np.array([[1.0, 0, 5], [0, 1, 0]])
    (crop,) = warp_frames([frame], shifted, (30, 20))
    assert (crop[:, :5] == 0).all()
    assert (crop[:, 5:25] == 200).all()
    assert (crop[:, 25:] == 0).all()


def test_repeated_frames_give_equal_crops():
    frames = list(np.random.default_rng(0).integers(0, 255, (2, 20, 30, 3), np.uint8))
    matrix = crop_matrix(np.array([3, 4, 10, 8]), (24, 32), 1.25, angle_deg=20)
    repeated = warp_frames([frames[0], frames[0], frames[1]], matrix, (24, 32))
    single = [warp_frames([frame], matrix, (24, 32))[0] for frame in frames]
    np.testing.assert_array_equal(repeated, [single[0], single[0], single[1]])


def test_crops_go_where_they_are_wanted():
    frames = [np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8) for _ in range(2)]
    matrix = crop_matrix(np.array([10.0, 10.0, 30.0, 40.0]), (24, 32), 1.25)
    out = np.zeros((2, 32, 24, 3), np.uint8)
    assert warp_frames(frames, matrix, (24, 32), out) is out
    np.testing.assert_array_equal(out, warp_frames(frames, matrix, (24, 32)))
    with pytest.raises(ValueError, match=r"out is \(1, 32, 24, 3\) uint8, expected \(2, 32, 24"):
        warp_frames(frames, matrix, (24, 32), out[:1])
