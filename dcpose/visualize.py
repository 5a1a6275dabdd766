"""Pictures for people: poses, heatmaps, and sheets that compare them (NumPy and OpenCV only).

Images are (H, W, 3) uint8 RGB; points are (x, y) in pixels of the image they are drawn on. Nothing
draws on its input. Left and right are the person's own.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from dcpose.geometry import enlarge, image_to_crop_matrix, pad_to_aspect
from dcpose.skeleton import Skeleton

LEFT_RGB = (64, 190, 255)
RIGHT_RGB = (255, 150, 40)
MIDDLE_RGB = (120, 230, 90)
"""Sky blue, orange and green stay apart for colour-blind readers and on most clothes."""

_OUTLINE_RGB = (16, 16, 16)
_PAPER_RGB = (250, 250, 250)
_INK_RGB = (30, 30, 30)
_SUBPIXEL_BITS = 4
_FARTHEST = 1e5
"""Coordinates beyond this would overflow OpenCV's fixed-point numbers."""
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_TITLE_HEIGHT = 26
_MARGIN = 6
_LEGEND_STEP = 90


def draw_pose(
    image: np.ndarray,
    joints: np.ndarray,
    skeleton: Skeleton,
    shown: np.ndarray | None = None,
) -> np.ndarray:
    """Draw one person's skeleton: left blue, right orange, middle green.

    Args:
        image: (H, W, 3) uint8 RGB.
        joints: (J, 2) in pixels; joints outside the image are drawn as far as they are inside.
        skeleton: names the limbs and the sides.
        shown: (J,) bool, the joints to draw; None draws all but those the format never labels.
            Joints that are not finite are never drawn, and a limb needs both of its joints.

    Returns:
        A new image.

    Raises:
        ValueError: if shapes do not fit.
    """
    _check_image(image)
    if joints.shape != (skeleton.num_joints, 2):
        raise ValueError(f"expected joints ({skeleton.num_joints}, 2), got {joints.shape}")
    if shown is None:
        shown = ~np.isin(skeleton.joint_names, skeleton.unlabelled)
    # comparisons with NaN are False
    shown = shown & (np.abs(joints) < _FARTHEST).all(axis=1)
    joints = np.where(shown[:, None], joints, 0.0)
    colours = _joint_colours(skeleton)
    thickness = _line_thickness(image)
    drawn = image.copy()
    limbs = [(a, b) for a, b in skeleton.limb_indices if shown[a] and shown[b]]
    # all outlines come first, so that crossing limbs do not cut each other
    for outline in (True, False):
        for a, b in limbs:
            side = colours[a] if colours[a] == colours[b] else _limb_colour(colours[a], colours[b])
            colour, width = (_OUTLINE_RGB, thickness + 2) if outline else (side, thickness)
            _line(drawn, joints[a], joints[b], colour, width)
    for joint in np.flatnonzero(shown):
        _dot(drawn, joints[joint], thickness + 2, _OUTLINE_RGB)
        _dot(drawn, joints[joint], thickness + 1, colours[joint])
    return drawn


def overlay_heatmaps(image: np.ndarray, heatmaps: np.ndarray, peak: float = 1.0) -> np.ndarray:
    """Lay the maximum over all joints of some heatmaps over an image.

    Args:
        image: (H, W, 3) uint8 RGB.
        heatmaps: (J, h, w) float, stretched to the image; values below 0 and NaN are transparent.
        peak: value that gets the brightest colour, for example 1 for targets.

    Returns:
        A new image.

    Raises:
        ValueError: if shapes do not fit or peak is not positive.
    """
    _check_image(image)
    if heatmaps.ndim != 3 or not peak > 0:
        raise ValueError(
            f"expected heatmaps (J, h, w) and peak > 0, got {heatmaps.shape} and {peak}"
        )
    strongest = np.nan_to_num(heatmaps.astype(np.float32), posinf=peak, neginf=0.0).max(axis=0)
    height, width = image.shape[:2]
    value = np.clip(strongest / peak, 0.0, 1.0)
    value = cv2.resize(value, (width, height), interpolation=cv2.INTER_LINEAR)
    levels = np.rint(255 * value).astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    opacity = 0.85 * np.sqrt(value)[..., None]  # the root keeps weak second peaks visible
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return np.rint((1 - opacity) * grey + opacity * colours).astype(np.uint8)


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
    _check_image(image)
    box = pad_to_aspect(enlarge(box_xywh, 1.35), view_wh[0] / view_wh[1])
    matrix = image_to_crop_matrix(box, view_wh)
    return cv2.warpAffine(image, matrix, view_wh, flags=cv2.INTER_LINEAR), matrix


def comparison_sheet(
    rows: Sequence[Sequence[np.ndarray]],
    column_titles: Sequence[str],
    row_titles: Sequence[str] = (),
    cell_wh: tuple[int, int] = (240, 320),
) -> np.ndarray:
    """Set pictures side by side, one row per person or frame and one column per method.

    Args:
        rows: pictures, (H, W, 3) uint8 RGB of any size; each is fitted into its cell.
        column_titles: one per column, along the top.
        row_titles: one per row, above it; none at all if empty.
        cell_wh: largest size of a picture on the sheet.

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
    strips.append(_legend(width))
    return np.concatenate(strips)


def _picture_strip(
    pictures: Sequence[np.ndarray], cell_wh: tuple[int, int], width: int
) -> np.ndarray:
    strip = _paper(cell_wh[1] + _MARGIN, width)
    for column, picture in enumerate(pictures):
        _check_image(picture)
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


def _legend(width: int) -> np.ndarray:
    strip = _paper(_TITLE_HEIGHT, width)
    entries = (("left", LEFT_RGB), ("right", RIGHT_RGB), ("middle", MIDDLE_RGB))
    for number, (name, colour) in enumerate(entries):
        x, y = _MARGIN + number * _LEGEND_STEP, _TITLE_HEIGHT // 2
        _line(strip, np.array([x + 2, y]), np.array([x + 16, y]), colour, 5)
        _text(strip, name, (x + 24, y + 4), _LEGEND_STEP - 24 - _MARGIN)
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


def _joint_colours(skeleton: Skeleton) -> list[tuple[int, int, int]]:
    left = {name for name, _ in skeleton.flip_pairs}
    right = {name for _, name in skeleton.flip_pairs}
    return [
        LEFT_RGB if name in left else RIGHT_RGB if name in right else MIDDLE_RGB
        for name in skeleton.joint_names
    ]


def _limb_colour(one: tuple[int, int, int], other: tuple[int, int, int]) -> tuple[int, int, int]:
    """Colour of a limb between sides: that of the side it leads to, or middle across the body."""
    sides = {one, other} - {MIDDLE_RGB}
    return sides.pop() if len(sides) == 1 else MIDDLE_RGB


def _line_thickness(image: np.ndarray) -> int:
    return max(1, round(min(image.shape[:2]) / 140))


def _line(
    image: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    colour: tuple[int, int, int],
    thickness: int,
) -> None:
    cv2.line(image, _fixed(start), _fixed(end), colour, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)


def _dot(image: np.ndarray, center: np.ndarray, radius: int, colour: tuple[int, int, int]) -> None:
    fixed_radius = radius << _SUBPIXEL_BITS
    cv2.circle(image, _fixed(center), fixed_radius, colour, -1, cv2.LINE_AA, _SUBPIXEL_BITS)


def _fixed(point: np.ndarray) -> tuple[int, int]:
    x, y = np.rint(np.asarray(point) * (1 << _SUBPIXEL_BITS)).astype(int)
    return int(x), int(y)


def _check_image(image: np.ndarray) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"expected (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}")
