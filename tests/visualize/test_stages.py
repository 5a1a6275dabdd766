from dataclasses import replace

import numpy as np
import pytest

from dcpose.visualize.sheets import picture_grid
from dcpose.visualize.stages import (
    ADDS_RGB,
    FINAL_RGB,
    TAKES_RGB,
    TRUTH_RGB,
    JointSamples,
    JointStages,
    stages_sheet,
)

TITLE, MARGIN = 26, 6
REGULAR = np.array([[2.0, 3], [6, 3]])
MOVED = np.array([[2.0, 8], [7, 2]])


def peak_at(x, y):
    heatmap = np.zeros((16, 12))
    heatmap[y, x] = 0.5
    return heatmap


@pytest.fixture
def stages():
    """A joint at (4, 3), its neighbours' peaks elsewhere; crops of 48 x 64 are shown five-fold."""
    return JointStages(
        crops=[np.zeros((64, 48, 3), np.uint8)] * 3,
        crop_names=["p", "c", "n"],
        cur=1,
        initial=np.stack([peak_at(2, 10), peak_at(4, 3), peak_at(9, 13)]),
        merged=peak_at(6, 8),
        final=peak_at(4, 3),
        samples=[JointSamples(3, REGULAR, MOVED, np.array([1.0, -0.25]))],
        joint=np.array([4.0, 3]),
        truth=np.array([8.0, 12]),
        cell_wh=(4, 4),
    )


def cell(sheet, row, column, heading=False):
    """One picture of the sheet, (320, 240, 3)."""
    top = heading * TITLE + TITLE + row * (TITLE + 320 + MARGIN)
    left = MARGIN + column * (240 + MARGIN)
    return sheet[top : top + 320, left : left + 240].astype(int)


def near(picture, colour, x, y, radius=13):
    """Whether pixels of a colour are near the picture's place of heatmap pixel (x, y)."""
    x, y = 20 * x, 20 * y
    part = picture[max(y - radius, 0) : y + radius + 1, max(x - radius, 0) : x + radius + 1]
    return bool((np.abs(part - colour) < 50).all(axis=-1).any())


def test_maps_lie_where_their_peaks_are(stages):
    sheet = stages_sheet(stages)
    assert sheet.shape[1] == 5 * (240 + MARGIN) + MARGIN
    for column, (x, y) in enumerate([(2, 10), (4, 3), (9, 13), (6, 8)]):
        brightness = cell(sheet, 0, column).sum(axis=2)
        peak = np.array(np.unravel_index(brightness.argmax(), brightness.shape))
        assert np.abs(peak - [20 * y, 20 * x]).max() <= 1


def test_final_map_shows_joint_and_annotation(stages):
    final = cell(stages_sheet(stages), 0, 4)
    assert near(final, FINAL_RGB, 4, 3)
    assert near(final, TRUTH_RGB, 8, 12)
    unlabelled = cell(stages_sheet(replace(stages, truth=None)), 0, 4)
    assert not near(unlabelled, TRUTH_RGB, 8, 12)


def test_samples_are_drawn_where_they_read(stages):
    picture = cell(stages_sheet(stages, "heading"), 1, 0, heading=True)
    assert near(picture, ADDS_RGB, 2, 8)
    assert near(picture, TAKES_RGB, 7, 2)
    assert not near(picture, ADDS_RGB, 7, 2)
    assert near(picture, FINAL_RGB, 2, 5)  # on the line from the regular tap

    def area(colour):
        return (np.abs(picture - colour) < 50).all(axis=-1).sum()

    assert area(ADDS_RGB) > 2 * area(TAKES_RGB)


def test_a_map_of_zeros_can_be_drawn(stages):
    empty = replace(stages, merged=np.zeros((16, 12)), final=-np.ones((16, 12)))
    assert not cell(stages_sheet(empty), 0, 3).any()


def test_grid_takes_rows_of_any_length():
    picture = np.full((10, 20, 3), 7, np.uint8)
    sheet = picture_grid([[("a", picture)] * 3, [("b", picture)]], (20, 10), notes=["one", "two"])
    assert sheet.shape == (2 * (TITLE + 10 + MARGIN) + 2 * TITLE, 3 * 26 + MARGIN, 3)
    assert (sheet == 7).all(axis=-1).sum() == 4 * 200
    with pytest.raises(ValueError, match="at least one picture"):
        picture_grid([[]], (20, 10))
