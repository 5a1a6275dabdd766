"""Boxes and affine maps: goldens of the release, hand-computed values, round trips."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcpose import geometry

CROP_WH = (288, 384)

sizes = st.floats(1, 2000)
positions = st.floats(-2000, 2000)
boxes = st.tuples(positions, positions, sizes, sizes).map(np.array)
angles = st.floats(-180, 180)


def crop_matrix(box_xywh, angle_deg=0.0):
    box = geometry.enlarge(geometry.pad_to_aspect(box_xywh, 0.75), 1.25)
    return geometry.image_to_crop_matrix(box, CROP_WH, angle_deg)


def test_crop_of_the_release(shared_dir):
    # recipe: `geometry.json` in the README of the golden cases, half of the boxes rotated
    cases = json.loads((shared_dir / "goldens/network/geometry.json").read_text())
    for case in cases:
        matrix = crop_matrix(case["box_xywh"], case["rotation_deg"])
        joints = geometry.apply_affine(np.array(case["joints_image"]), matrix)
        np.testing.assert_allclose(joints, case["joints_crop"], atol=0.02)
    assert sum(case["rotation_deg"] != 0 for case in cases) >= 40


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([10, 20, 30, 40], [10, 20, 30, 40]),
        ([10, 20, 30, 80], [-5, 20, 60, 80]),
        ([10, 20, 60, 40], [10, 0, 60, 80]),
    ],
)
def test_pad_to_aspect_grows_the_short_side_about_the_centre(box, expected):
    np.testing.assert_allclose(geometry.pad_to_aspect(np.array(box), 0.75), expected)


def test_enlarge_keeps_the_centre():
    np.testing.assert_allclose(geometry.enlarge(np.array([10, 20, 40, 80]), 1.25), [5, 10, 50, 100])


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([10, 20, 30, 40], [10, 20, 29, 39]),
        # the near corner moves first, and the far corner follows it
        ([-10, 20, 30, 40], [0, 20, 29, 39]),
        ([90, 20, 30, 40], [90, 20, 9, 39]),
        ([120, 20, 30, 40], [120, 20, -21, 39]),
    ],
)
def test_clip_to_image(box, expected):
    # by hand from x2 = min(W - 1, x1 + max(0, w - 1)) with x1 = max(0, x), in a 100 x 100 image
    np.testing.assert_allclose(geometry.clip_to_image(np.array(box), (100, 100)), expected)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([99.5, 0, 10, 10], True),
        ([100, 0, 10, 10], False),
        ([-10, 0, 10, 10], False),
        ([-10, 0, 10.5, 10], True),
        ([0, 100, 10, 10], False),
        ([0, -10, 10, 10], False),
    ],
)
def test_overlaps_image(box, expected):
    assert geometry.overlaps_image(np.array(box), (100, 100)) is expected


def test_window_turns_clockwise():
    # a window turned by 90 degrees clockwise sees what lies right of the centre at its top
    matrix = geometry.image_to_crop_matrix(np.array([0, 0, 288, 384]), CROP_WH, 90)
    right_of_center = geometry.apply_affine(np.array([244.0, 192.0]), matrix)
    np.testing.assert_allclose(right_of_center, [144, 92], atol=1e-9)


@pytest.mark.parametrize("box", [[0, 0, 0, 5], [0, 0, 5, -1], [np.nan, 0, 5, 5], [0, 0, np.inf, 5]])
def test_bad_box_is_refused(box):
    with pytest.raises(ValueError, match="finite with positive size"):
        geometry.image_to_crop_matrix(np.array(box), CROP_WH)


@pytest.mark.parametrize("matrix", [np.zeros((2, 3)), np.full((2, 3), np.nan), np.ones((2, 3))])
def test_singular_matrix_is_refused(matrix):
    with pytest.raises(ValueError, match="no inverse"):
        geometry.invert_affine(matrix)


def test_mirroring_the_crop_equals_mirroring_the_image():
    # the release mirrors image, joints and box centre (x -> W - 1 - x), then cuts with angle r
    width, box, angle = 640, np.array([100.0, 50.0, 90.0, 120.0]), 30.0
    points = np.array([[120.0, 70.0], [150.5, 99.25]])
    mirrored_box = np.array([width - 1 - box[0] - box[2], *box[1:]])
    mirrored_points = np.column_stack([width - 1 - points[:, 0], points[:, 1]])
    expected = geometry.apply_affine(
        mirrored_points, geometry.image_to_crop_matrix(mirrored_box, CROP_WH, angle)
    )
    ours = geometry.compose(
        geometry.mirror_matrix(CROP_WH), geometry.image_to_crop_matrix(box, CROP_WH, -angle)
    )
    np.testing.assert_allclose(geometry.apply_affine(points, ours), expected, atol=1e-9)


def test_udp_maps_a_box_to_the_outermost_pixels():
    box = np.array([10.0, 20, 30, 40])
    matrix = geometry.image_to_crop_matrix(box, (192, 256), affine="udp")
    corners = geometry.apply_affine(np.array([[10.0, 20], [40, 60]]), matrix)
    np.testing.assert_allclose(corners, [[0, 0], [191, 255]], atol=1e-9)
    # the figures of the reference: half a pixel at the centre, three quarters at the last quarter
    classic = geometry.image_to_crop_matrix(box, (192, 256))
    points = np.array([[25.0, 40], [32.5, 50]])
    moved = geometry.apply_affine(points, classic) - geometry.apply_affine(points, matrix)
    np.testing.assert_allclose(moved, [[0.5, 0.5], [0.75, 0.75]], atol=1e-9)


def test_udp_scales_after_the_rotation():
    # what lies right of the centre comes to the top, scaled as the height is
    box = np.array([0.0, 0, 288, 384])
    matrix = geometry.image_to_crop_matrix(box, CROP_WH, 90, "udp")
    point = geometry.apply_affine(np.array([244.0, 192.0]), matrix)
    np.testing.assert_allclose(point, [143.5, 191.5 - 100 * 383 / 384], atol=1e-9)


def test_cells_of_heatmaps():
    assert geometry.cell_wh((192, 256), (48, 64)) == (4, 4)
    assert geometry.cell_wh((192, 256), (48, 64), "udp") == (191 / 47, 255 / 63)


def test_udp_mirrors_about_the_middle_of_the_pixels():
    matrix = geometry.mirror_matrix((192, 256), "udp")
    mirrored = geometry.apply_affine(np.array([[0.0, 3], [191, 3]]), matrix)
    np.testing.assert_array_equal(mirrored, [[191, 3], [0, 3]])


@given(box=boxes, angle=angles, point=st.tuples(positions, positions))
def test_there_and_back_with_udp(box, angle, point):
    box = geometry.enlarge(geometry.pad_to_aspect(box, 0.75), 1.25)
    matrix = geometry.image_to_crop_matrix(box, CROP_WH, angle, "udp")
    crop_point = geometry.apply_affine(np.array(point), matrix)
    back = geometry.apply_affine(crop_point, geometry.invert_affine(matrix))
    np.testing.assert_allclose(back, point, atol=1e-6)


@given(box=boxes, angle=angles, point=st.tuples(positions, positions))
def test_there_and_back(box, angle, point):
    matrix = crop_matrix(box, angle)
    crop_point = geometry.apply_affine(np.array(point), matrix)
    back = geometry.apply_affine(crop_point, geometry.invert_affine(matrix))
    np.testing.assert_allclose(back, point, atol=1e-6)


@given(box=boxes, angle=angles, point=st.tuples(positions, positions))
def test_compose_applies_first_then_second(box, angle, point):
    first, second = crop_matrix(box, angle), geometry.mirror_matrix(CROP_WH)
    one_by_one = geometry.apply_affine(geometry.apply_affine(np.array(point), first), second)
    at_once = geometry.apply_affine(np.array(point), geometry.compose(second, first))
    np.testing.assert_allclose(at_once, one_by_one, rtol=1e-9, atol=1e-6)


@given(box=boxes, aspect=st.floats(0.2, 5))
def test_padded_box_contains_the_box_and_has_the_aspect(box, aspect):
    padded = geometry.pad_to_aspect(box, aspect)
    np.testing.assert_allclose(padded[2] / padded[3], aspect, rtol=1e-9)
    assert (padded[:2] <= box[:2] + 1e-9).all()
    assert (padded[:2] + padded[2:] >= box[:2] + box[2:] - 1e-9).all()


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ([0, 0, 4, 2], 1.0),
        ([2, 0, 4, 2], 4 / 12),
        ([4, 0, 4, 2], 0.0),  # side by side
        ([1, 1, 2, 1], 2 / 8),
        ([1, 1, 0, 1], 0.0),
        ([np.nan, 1, 2, 1], 0.0),
    ],
)
def test_paired_iou(other, expected):
    box = np.array([0.0, 0, 4, 2])
    assert geometry.paired_iou(box, np.array(other, dtype=float)) == pytest.approx(expected)


def test_iou_of_empty_boxes_is_0():
    assert geometry.box_iou(np.zeros((1, 4)), np.zeros((1, 4))) == 0


@given(st.lists(boxes, min_size=1, max_size=4), st.lists(boxes, min_size=1, max_size=4))
def test_box_iou_pairs_all_with_all(first, second):
    first, second = np.array(first), np.array(second)
    table = geometry.box_iou(first, second)
    assert table.shape == (len(first), len(second))
    assert table[-1, 0] == geometry.paired_iou(first[-1], second[0])
    np.testing.assert_allclose(table, geometry.box_iou(second, first).T)
    assert ((table >= 0) & (table <= 1 + 1e-9)).all()
