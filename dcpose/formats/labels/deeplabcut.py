"""Labels of DeepLabCut: `CollectedData_<scorer>.csv` of single and multi animal projects.

A table has header rows `scorer`, `individuals` (multi animal alone), `bodyparts` and `coords`; then
a row for each labelled frame, whose first one or three columns name the image
(`labeled-data/<video>/img0042.png`). An empty cell is a joint that nobody labelled. The number in
the name of an image is that of the frame in the video. A project has the tables in
`labeled-data/<video>`, its videos in `videos`, and `config.yaml`, whose `skeleton` lists limbs.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dcpose.files.reading import read_bounded
from dcpose.files.yaml_text import read_yaml
from dcpose.formats.labels.labels import (
    UNLABELLED,
    VISIBLE,
    LabelledPerson,
    LabelledVideo,
    Labels,
    first_file,
    frames_of_images,
    is_point,
    numbered,
)
from dcpose.formats.posetrack.images import name_fault

MAX_BYTES = 2**28
"""Size of a table that is read at all."""
PATTERN = "CollectedData_*.csv"
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".m4v")
NOBODY = "single"
"""The individual that body parts of no animal in particular belong to."""


@dataclass(frozen=True)
class _Header:
    """Columns of a table: what each holds, and how many name the image."""

    index_columns: int
    individuals: tuple[str, ...]
    joints: tuple[str, ...]
    coords: tuple[str, ...]


def find_tables(source: Path) -> list[Path]:
    """Return the tables of a project, a folder of labelled frames, or the table that is named."""
    if source.is_file():
        return [source]
    for pattern in (PATTERN, f"labeled-data/*/{PATTERN}", f"*/{PATTERN}"):
        if found := sorted(source.glob(pattern)):
            return found
    return []


def read_deeplabcut(source: Path) -> Labels:
    """Read the labels of a project, a folder or a table.

    Raises:
        ValueError: if there is no table, or one is malformed; the message names file and row.
    """
    tables = find_tables(source)
    if not tables:
        raise ValueError(
            f"{source}: no {PATTERN}; name a DeepLabCut project, a folder of its labeled-data, or "
            "the table"
        )
    project = _project_of(tables[0])
    left_out = Counter[str]()
    notes: list[str] = []
    videos: list[LabelledVideo] = []
    names: dict[str, None] = {}
    read = [_read_table(path) for path in tables]
    for header, _ in read:
        names.update(dict.fromkeys(header.joints))
    joint_names = tuple(names)
    for path, (header, rows) in zip(tables, read, strict=True):
        for name, of_video in _by_video(rows, path).items():
            images = [
                (
                    image,
                    _people(header, cells, joint_names, left_out),
                    _find_image(path, project, image),
                )
                for image, cells in of_video
            ]
            frames = frames_of_images(name, images, notes)
            videos.append(LabelledVideo(name, frames, _find_video(project, name)))
    limbs = _limbs(project, joint_names)
    return Labels(source, joint_names, tuple(videos), limbs, left_out, tuple(notes))


def _project_of(table: Path) -> Path:
    """Return the folder that image names are relative to: two above a table, by custom."""
    folder = table.parent
    return folder.parent.parent if folder.parent.name == "labeled-data" else folder


def _read_table(path: Path) -> tuple[_Header, list[tuple[str, list[float]]]]:
    """Return the header, and image name and numbers (NaN where empty) of every row."""
    try:
        text = read_bounded(path, MAX_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: no UTF-8 text, expected a table of DeepLabCut") from None
    try:
        lines = [row for row in csv.reader(io.StringIO(text)) if row]
    except csv.Error as error:
        raise ValueError(f"{path}: no table ({error})") from None
    header, num_rows = _header(lines, path)
    first = header.index_columns
    rows = []
    for line, row in enumerate(lines[num_rows:], start=num_rows + 1):
        if len(row) != first + len(header.coords):
            raise ValueError(
                f"{path}: row {line}: {len(row)} cells, expected {first + len(header.coords)}"
            )
        image = "/".join(cell.strip().replace("\\", "/") for cell in row[:first])
        if (fault := name_fault(image)) is not None:
            raise ValueError(f"{path}: row {line}: image {image[:80]!a} {fault}")
        rows.append((image, [_number(cell, path, line) for cell in row[first:]]))
    if not rows:
        raise ValueError(f"{path}: no labelled frame below the header")
    return header, rows


def _header(lines: Sequence[Sequence[str]], path: Path) -> tuple[_Header, int]:
    titles = [row[0].strip() for row in lines[:4]]
    wanted = ["scorer", "bodyparts", "coords"]
    multi = titles[1:2] == ["individuals"]
    if multi:
        wanted.insert(1, "individuals")
    if titles[: len(wanted)] != wanted:
        raise ValueError(
            f"{path}: rows begin with {', '.join(map(repr, titles))}, expected the header of "
            "DeepLabCut: scorer, (individuals,) bodyparts, coords"
        )
    # newer versions name an image in three columns: labeled-data, video, image
    index_columns = 3 if list(lines[0][1:3]) == ["", ""] else 1
    head = {title: tuple(row[index_columns:]) for title, row in zip(wanted, lines, strict=False)}
    joints, coords = head["bodyparts"], head["coords"]
    individuals = head.get("individuals", ("",) * len(joints))
    columns = list(zip(individuals, joints, coords, strict=False))
    if not columns or len({len(row) for row in head.values()}) > 1:
        raise ValueError(f"{path}: the rows of the header differ in length, or name no body part")
    if len(set(columns)) < len(columns) or coords != ("x", "y") * (len(coords) // 2):
        raise ValueError(f"{path}: expected columns x and y of each body part, each once")
    pairs = list(zip(columns[::2], columns[1::2], strict=True))
    if any(first[:2] != second[:2] for first, second in pairs) or not all(joints):
        raise ValueError(f"{path}: x and y of a body part do not stand side by side")
    return _Header(index_columns, individuals, joints, coords), len(wanted)


def _number(cell: str, path: Path, line: int) -> float:
    if not cell.strip():
        return math.nan
    try:
        return float(cell)
    except ValueError:
        raise ValueError(f"{path}: row {line}: {cell[:40]!r}, expected a number") from None


def _by_video(
    rows: Sequence[tuple[str, list[float]]], path: Path
) -> dict[str, list[tuple[str, list[float]]]]:
    """Return the rows by the folder of their images."""
    videos: dict[str, list[tuple[str, list[float]]]] = defaultdict(list)
    seen: set[str] = set()
    for image, cells in rows:
        if image in seen:
            raise ValueError(f"{path}: {image} has two rows, expected one")
        seen.add(image)
        videos[Path(image).parent.name or path.parent.name].append((image, cells))
    return videos


def _people(
    header: _Header,
    cells: Sequence[float],
    joint_names: Sequence[str],
    left_out: Counter[str],
) -> tuple[LabelledPerson, ...]:
    """Return the individuals with a labelled joint."""
    order = list(dict.fromkeys(name for name in header.individuals if name != NOBODY))
    joints = {name: np.zeros((len(joint_names), 3)) for name in order}
    for column in range(0, len(cells), 2):
        x, y = cells[column], cells[column + 1]
        individual, joint = header.individuals[column], header.joints[column]
        if math.isnan(x) and math.isnan(y):
            continue
        if individual == NOBODY:
            left_out["points of no individual ('single')"] += 1
        elif not is_point(x, y):
            left_out["points with one coordinate, or one that no image has"] += 1
        else:
            joints[individual][joint_names.index(joint)] = x, y, VISIBLE
    return tuple(
        LabelledPerson(values, track_id)
        for track_id, values in enumerate(joints.values())
        if (values[:, 2] != UNLABELLED).any()
    )


def _find_image(table: Path, project: Path, name: str) -> Path | None:
    """Return the image that a row names: where it says, or beside the table, by name or number."""
    folder = table.parent
    stem, beside = Path(name).stem, folder / Path(name).name
    others = [folder / f"{stem}{suffix}" for suffix in IMAGES]
    return first_file([project / name, beside, *others]) or _by_number(folder, name)


def _by_number(folder: Path, name: str) -> Path | None:
    """Return the only image of a folder with the number of the name."""
    wanted, known = numbered([name])
    if not known:
        return None
    images = [path for path in folder.iterdir() if path.suffix.lower() in IMAGES]
    numbers, from_names = numbered([path.name for path in images])
    places = dict(zip(numbers, images, strict=True)) if from_names else {}
    return places.get(wanted[0])


def _find_video(project: Path, name: str) -> Path | None:
    """Return the video of a folder of labelled frames."""
    folders = project / "videos", project
    return first_file(folder / f"{name}{suffix}" for suffix in VIDEOS for folder in folders)


def _limbs(project: Path, joint_names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return the `skeleton` of the project's config, as far as it names joints."""
    path = project / "config.yaml"
    if not path.is_file():
        return ()
    try:
        content = read_yaml(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from None
    pairs = content.get("skeleton") if isinstance(content, dict) else None
    return tuple(
        (pair[0], pair[1])
        for pair in (pairs if isinstance(pairs, list) else ())
        if isinstance(pair, list) and len(pair) == 2 and set(map(str, pair)) <= set(joint_names)
    )
