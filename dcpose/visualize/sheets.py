"""Sheets that compare pictures of people side by side.

Images are (H, W, 3) uint8 RGB; nothing draws on its input.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from dcpose.geometry import enlarge, image_to_crop_matrix, pad_to_aspect
from dcpose.visualize.canvas import check_image, line
from dcpose.visualize.pose import LEFT_RGB, MIDDLE_RGB, RIGHT_RGB

_PAPER_RGB = (250, 250, 250)
_INK_RGB = (30, 30, 30)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_TITLE_HEIGHT = 26
_MARGIN = 6
_LEGEND_STEP = 90


def person_view(
    image: np.ndarray, box_xywh: np.ndarray, view_wh: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Cut out a person with some surroundings, at a size at which drawings are readable.

    Args:
        image: (H, W, 3) uint8 RGB.
        box_xywh: (4,) person box in image pixels.
        view_wh: size of the picture.

    Returns:
        The picture (view height, view width, 3), and the (2, 3) matrix from image to picture
        pixels, which moves joints with it (`geometry.apply_affine`).
    """
    check_image(image)
    box = pad_to_aspect(enlarge(box_xywh, 1.35), view_wh[0] / view_wh[1])
    matrix = image_to_crop_matrix(box, view_wh)
    return cv2.warpAffine(image, matrix, view_wh, flags=cv2.INTER_LINEAR), matrix


def comparison_sheet(
    rows: Sequence[Sequence[np.ndarray]],
    column_titles: Sequence[str],
    row_titles: Sequence[str] = (),
    cell_wh: tuple[int, int] = (240, 320),
    note: str = "",
) -> np.ndarray:
    """Set pictures side by side, one row per person or frame and one column per method.

    Args:
        rows: pictures, (H, W, 3) uint8 RGB of any size; each is fitted into its cell.
        column_titles: one per column, along the top.
        row_titles: one per row, above it; none at all if empty.
        cell_wh: largest size of a picture on the sheet.
        note: a line about the pictures, beside the legend.

    Returns:
        The sheet, (H, W, 3) uint8 RGB, with a legend of the colours at its foot.

    Raises:
        ValueError: if there is no picture, or titles do not match the rows and columns.
    """
    if not rows or not column_titles:
        raise ValueError("a sheet needs at least one row and one column")
    lengths = [len(row) for row in rows]
    if set(lengths) != {len(column_titles)}:
        raise ValueError(f"{len(column_titles)} column titles for rows of {lengths} pictures")
    if row_titles and len(row_titles) != len(rows):
        raise ValueError(f"{len(row_titles)} row titles for {len(rows)} rows")
    width = (cell_wh[0] + _MARGIN) * len(column_titles) + _MARGIN
    width = max(width, 3 * _LEGEND_STEP + _MARGIN)
    strips = [_title_strip(column_titles, cell_wh[0] + _MARGIN, width)]
    for number, row in enumerate(rows):
        if row_titles:
            strips.append(_title_strip([row_titles[number]], width - _MARGIN, width))
        strips.append(_picture_strip(row, cell_wh, width))
    strips.append(_legend(width, note))
    return np.concatenate(strips)


def picture_grid(
    rows: Sequence[Sequence[tuple[str, np.ndarray]]],
    cell_wh: tuple[int, int],
    heading: str = "",
    notes: Sequence[str] = (),
) -> np.ndarray:
    """Set titled pictures in rows of any length.

    Args:
        rows: titles and pictures, (H, W, 3) uint8 RGB; each picture is fitted into its cell.
        cell_wh: largest size of a picture on the sheet.
        heading: a line above; none if empty.
        notes: lines below.

    Returns:
        The sheet, (H, W, 3) uint8 RGB.

    Raises:
        ValueError: if there is no picture.
    """
    if not any(rows):
        raise ValueError("a sheet needs at least one picture")
    step = cell_wh[0] + _MARGIN
    width = step * max(map(len, rows)) + _MARGIN
    strips = [_title_strip([heading], width - _MARGIN, width)] if heading else []
    for row in rows:
        strips.append(_title_strip([title for title, _ in row], step, width))
        strips.append(_picture_strip([picture for _, picture in row], cell_wh, width))
    strips += [_title_strip([note], width - _MARGIN, width) for note in notes]
    return np.concatenate(strips)


def _picture_strip(
    pictures: Sequence[np.ndarray], cell_wh: tuple[int, int], width: int
) -> np.ndarray:
    strip = _paper(cell_wh[1] + _MARGIN, width)
    for column, picture in enumerate(pictures):
        check_image(picture)
        fitted = _fit(picture, cell_wh)
        left = _MARGIN + column * (cell_wh[0] + _MARGIN) + (cell_wh[0] - fitted.shape[1]) // 2
        top = (cell_wh[1] - fitted.shape[0]) // 2
        strip[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
    return strip


def _fit(picture: np.ndarray, cell_wh: tuple[int, int]) -> np.ndarray:
    height, width = picture.shape[:2]
    scale = min(cell_wh[0] / width, cell_wh[1] / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def _title_strip(titles: Sequence[str], step: int, width: int) -> np.ndarray:
    strip = _paper(_TITLE_HEIGHT, width)
    for column, title in enumerate(titles):
        _text(strip, title, (_MARGIN + column * step, _TITLE_HEIGHT - 8), step - _MARGIN)
    return strip


def _legend(width: int, note: str) -> np.ndarray:
    strip = _paper(_TITLE_HEIGHT, width)
    entries = (("left", LEFT_RGB), ("right", RIGHT_RGB), ("middle", MIDDLE_RGB))
    for number, (name, colour) in enumerate(entries):
        x, y = _MARGIN + number * _LEGEND_STEP, _TITLE_HEIGHT // 2
        line(strip, np.array([x + 2, y]), np.array([x + 16, y]), colour, 5)
        _text(strip, name, (x + 24, y + 4), _LEGEND_STEP - 24 - _MARGIN)
    start = 4 * _MARGIN + len(entries) * _LEGEND_STEP
    _text(strip, note, (start, _TITLE_HEIGHT // 2 + 4), width - start - _MARGIN)
    return strip


def _text(image: np.ndarray, text: str, origin: tuple[int, int], width: int) -> None:
    """Write text, smaller or cut off where it would not fit; OpenCV's font has ASCII only."""
    text = text.encode("ascii", "replace").decode()
    scale = 0.5
    if _text_width(text, scale) > width:
        scale = 0.38
    if _text_width(text, scale) > width:
        while text and _text_width(f"{text}...", scale) > width:
            text = text[:-1]
        text = f"{text}..."
    cv2.putText(image, text, origin, _FONT, scale, _INK_RGB, 1, cv2.LINE_AA)


def _text_width(text: str, scale: float) -> int:
    return cv2.getTextSize(text, _FONT, scale, 1)[0][0]


def _paper(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), _PAPER_RGB, dtype=np.uint8)
