import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcpose.geometry import apply_affine
from dcpose.skeleton import POSETRACK, Skeleton
from dcpose.visualize.heatmaps import overlay_heatmaps
from dcpose.visualize.pose import LEFT_RGB, MIDDLE_RGB, RIGHT_RGB, draw_pose
from dcpose.visualize.sheets import comparison_sheet, person_view

SKELETON = Skeleton(
    name="four",
    joint_names=("neck", "left_hand", "right_hand", "left_ear"),
    flip_pairs=(("left_hand", "right_hand"),),
    limbs=(("neck", "left_hand"), ("neck", "right_hand")),
    upper_body=(),
    unlabelled=("left_ear",),
)
JOINTS = np.array([[50.0, 20], [80, 20], [20, 20], [50, 80]])


def black(height=100, width=100):
    return np.zeros((height, width, 3), dtype=np.uint8)


def assert_colour(image, x, y, colour):
    """Edges are smooth, so a thin line is a little darker than its colour."""
    np.testing.assert_allclose(image[y, x].astype(int), colour, atol=30)


def test_sides_have_their_colours_and_the_input_stays():
    image = black()
    drawn = draw_pose(image, JOINTS, SKELETON)
    assert not image.any()
    assert_colour(drawn, 80, 20, LEFT_RGB)
    assert_colour(drawn, 65, 20, LEFT_RGB)  # the limb from the neck
    assert_colour(drawn, 20, 20, RIGHT_RGB)
    assert_colour(drawn, 35, 20, RIGHT_RGB)
    assert_colour(drawn, 50, 20, MIDDLE_RGB)
    assert not drawn[80, 50].any()  # an ear, which the format never labels
    assert not drawn[60:].any()


def test_hidden_joints_take_their_limbs_with_them():
    drawn = draw_pose(black(), JOINTS, SKELETON, shown=np.array([True, False, True, True]))
    assert not drawn[20, 60:].any()
    assert_colour(drawn, 35, 20, RIGHT_RGB)
    assert drawn[80, 50].any()  # asked for by name


def test_joint_across_the_border_is_drawn_as_far_as_it_goes():
    joints = JOINTS.copy()
    joints[1] = [150, 20]
    drawn = draw_pose(black(), joints, SKELETON)
    assert_colour(drawn, 99, 20, LEFT_RGB)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e30])
def test_undefined_joint_is_left_out(value):
    joints = JOINTS.copy()
    joints[1, 0] = value
    drawn = draw_pose(black(), joints, SKELETON)
    expected = draw_pose(black(), JOINTS, SKELETON, shown=np.array([True, False, True, False]))
    np.testing.assert_array_equal(drawn, expected)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(), min_size=34, max_size=34))
def test_any_numbers_can_be_drawn(numbers):
    image = black(40, 30)
    drawn = draw_pose(image, np.array(numbers).reshape(17, 2), POSETRACK)
    assert (drawn.shape, drawn.dtype) == (image.shape, np.uint8)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match=r"expected joints \(4, 2\), got \(3, 2\)"):
        draw_pose(black(), JOINTS[:3], SKELETON)
    with pytest.raises(ValueError, match=r"uint8 RGB, got \(100, 100, 3\) float64"):
        draw_pose(black().astype(float), JOINTS, SKELETON)
    with pytest.raises(ValueError, match=r"heatmaps \(J, h, w\) and peak > 0, got \(2, 2\) and 1"):
        overlay_heatmaps(black(), np.zeros((2, 2)))


def test_heatmap_shines_at_its_peak_and_is_clear_elsewhere():
    heatmaps = np.full((2, 10, 10), -0.5)
    heatmaps[0, 2, 7] = 1.0
    heatmaps[1, 8, 1] = np.nan
    image = np.full((40, 40, 3), 90, dtype=np.uint8)
    drawn = overlay_heatmaps(image, heatmaps)
    # heatmap pixel (7, 2) covers image pixels 28-31, 8-11 after stretching by four
    y, x = np.unravel_index(drawn.astype(int).sum(axis=2).argmax(), (40, 40))
    assert 28 <= x <= 31
    assert 8 <= y <= 11
    assert (drawn[20:, :20] == 90).all()
    assert drawn[9, 29, 0] > 200


def test_peak_sets_the_brightest_value():
    heatmaps = np.full((1, 4, 4), 2.0)
    np.testing.assert_array_equal(
        overlay_heatmaps(black(), heatmaps, peak=2.0), overlay_heatmaps(black(), heatmaps / 2)
    )


def test_view_moves_joints_with_the_person():
    image = black(200, 300)
    cv2.circle(image, (220, 90), 2, (255, 0, 0), -1)
    view, matrix = person_view(image, np.array([200.0, 50, 40, 80]), (120, 160))
    assert view.shape == (160, 120, 3)
    y, x = np.argwhere(view[..., 0] > 128).mean(axis=0)
    # the centre of the box becomes the centre of the view
    np.testing.assert_allclose(apply_affine(np.array([220.0, 90.0]), matrix), [60, 80])
    np.testing.assert_allclose([x, y], [60, 80], atol=0.5)


def test_sheet_sets_pictures_in_rows_and_columns():
    red, blue = black(30, 30), black(60, 20)
    red[..., 0], blue[..., 2] = 255, 255
    sheet = comparison_sheet([[red, blue], [blue, red]], ["a", "b"], ["one", "two"], (30, 40))
    # by hand: margin 6, cells 30 x 40; one strip of 26 for titles, one above each row, a legend
    # and the width of the legend, which is more than that of two cells
    assert sheet.shape == (26 + 2 * (26 + 40 + 6) + 26, 276, 3)
    first, second = 26 + 26 + 20, 26 + 26 + 46 + 26 + 20
    for y, left, right in ((first, (255, 0, 0), (0, 0, 255)), (second, (0, 0, 255), (255, 0, 0))):
        assert tuple(sheet[y, 6 + 15]) == left
        assert tuple(sheet[y, 42 + 15]) == right


def test_sheet_without_row_titles_has_no_strips_for_them():
    sheet = comparison_sheet([[black(), black()]], ["a", "b"], cell_wh=(150, 50))
    assert sheet.shape == (26 + 56 + 26, 2 * 156 + 6, 3)


def test_long_or_foreign_titles_do_not_leave_the_sheet():
    sheet = comparison_sheet([[black()]], ["größer 大 " * 30], ["x" * 500], (290, 60))
    assert sheet.shape[1] == 302
    assert (sheet[:, -6:] == 250).all()  # the right margin stays clear


@pytest.mark.parametrize(
    ("rows", "columns", "row_titles", "message"),
    [
        ([], ["a"], (), "at least one row"),
        ([[black()], [black(), black()]], ["a"], (), r"1 column titles for rows of \[1, 2\]"),
        ([[black()]], ["a"], ["x", "y"], "2 row titles for 1 rows"),
    ],
)
def test_uneven_sheets_are_refused(rows, columns, row_titles, message):
    with pytest.raises(ValueError, match=message):
        comparison_sheet(rows, columns, row_titles)
