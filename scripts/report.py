"""Make one HTML page of a run, or of several side by side.

python scripts/report.py runs/quickstart_cpu_seed0/dcpose
python scripts/report.py "single frame=runs/.../single_frame" DCPose=runs/.../dcpose \\
    --sweep runs/ablations --out report.html

The page holds everything it shows: it opens from disk, without a network.
"""

import argparse
import base64
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import torch

from dcpose.build.data import annotations_dir, build_skeleton, read_videos
from dcpose.build.inference import build_stream
from dcpose.build.model import build_model
from dcpose.cli import reports_user_errors
from dcpose.config.loading import load_config
from dcpose.config.schema import Config
from dcpose.data.frames import FrameError, read_frame
from dcpose.evaluation.curves import Curves, measure_curves, read_matchings
from dcpose.evaluation.matching import Matching
from dcpose.files.writing import write_text
from dcpose.formats.posetrack.records import VideoAnnotation
from dcpose.report.assemble import (
    check_comparable,
    make_charts,
    protocol_line,
    results_table,
    subset_table,
)
from dcpose.report.gallery import WorstPerson, draw_person, to_data_uri, worst_people
from dcpose.report.page import Card, Gallery, Page, Sweep, render
from dcpose.report.run_files import RunRecord, read_run
from dcpose.report.tables import Table
from dcpose.structures import PersonRecord
from dcpose.visualize import overlay_heatmaps

MOST_NAMES = 5
"""Wrong joints that are listed by name; of more, the number says enough."""


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", metavar="[NAME=]RUN", help="folders with results.json")
    parser.add_argument("--sweep", type=Path, nargs="*", default=[], help="of scripts/ablate.py")
    parser.add_argument("--out", type=Path, help="default: report.html in the last run's folder")
    parser.add_argument("--people", type=int, default=6, help="worst people shown (default 6)")
    args = parser.parse_args(argv)
    runs = [_named_run(text) for text in args.runs]
    check_comparable(runs)
    out = args.out or runs[-1].folder / "report.html"
    write_text(out, render(make_page(runs, args.sweep, args.people)))
    print(f"{out} ({out.stat().st_size / 1e6:.1f} MB)")
    return 0


def make_page(runs: Sequence[RunRecord], sweeps: Sequence[Path], people: int) -> Page:
    """Measure what the runs' predictions can tell, and collect it."""
    curves: dict[str, Curves] = {}
    galleries, notes = [], []
    for run in runs:
        cfg = load_config(run.config_file)
        if cfg.data.layout == "coco":
            notes.append(f"{run.name}: COCO results have no PoseTrack curves and no gallery.")
            continue
        try:
            matchings = _read_matchings(run, cfg)
        except (ValueError, OSError) as error:
            # the folder of a run travels without its data; the page then shows what it can
            notes.append(f"{run.name}: no curves and no gallery: {error}")
            continue
        curves[run.name] = measure_curves(matchings, build_skeleton(cfg))
        galleries.append(_gallery(run, cfg, matchings, people))
    return Page(
        title=" · ".join(run.name for run in runs),
        made=f"Made on {datetime.now():%Y-%m-%d %H:%M}.",
        results=results_table(runs),
        protocols={run.name: protocol_line(run) for run in runs},
        subsets=subset_table(runs),
        charts=make_charts(runs, curves),
        galleries=galleries,
        sweeps=[_sweep(folder) for folder in sweeps],
        environments={
            run.name: {
                key: " ".join(value) if isinstance(value, list) else str(value)
                for key, value in run.environment.items()
            }
            for run in runs
            if run.environment
        },
        notes=notes,
    )


def _named_run(text: str) -> RunRecord:
    name, separator, folder = text.partition("=")
    if Path(text).is_dir() or not separator:
        return read_run(Path(text))
    return read_run(Path(folder), name)


def _read_matchings(run: RunRecord, cfg: Config) -> list[Matching]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = annotations_dir(cfg, "val", Path(scratch))
        return read_matchings(folder, run.predictions, build_skeleton(cfg))


def _gallery(run: RunRecord, cfg: Config, matchings: list[Matching], count: int) -> Gallery:
    skeleton = build_skeleton(cfg)
    people = worst_people(matchings, count, skeleton)
    videos = {video.name: video for video in read_videos(cfg, "val")}
    pictures: list[dict[str, np.ndarray]] = []
    note = ""
    try:
        for person in people:
            video = videos[person.video]
            number = video.frame_numbers[person.frame]
            frames = [read_frame(path) for path in video.clip_paths(number)]
            pictures.append(draw_person(person, frames, skeleton))
        if run.weights is None:
            note = "No heatmaps: the checkpoint that made these predictions is not in the run."
        else:
            for shown, heatmaps in zip(pictures, _heatmaps(run, cfg, people, videos), strict=True):
                shown["heatmaps"] = heatmaps
    except (FrameError, ValueError) as error:
        note = f"Pictures are missing: {error}"
    pictures += [{} for _ in people[len(pictures) :]]
    cards = [
        Card(
            title=f"{person.video}, {Path(person.frame_name).name}",
            detail=_detail(person),
            pictures={title: to_data_uri(picture) for title, picture in shown.items()},
        )
        for person, shown in zip(people, pictures, strict=True)
    ]
    return Gallery(run.name, cards, note)


def _detail(person: WorstPerson) -> str:
    hard = f" · {', '.join(person.conditions).replace('_', ' ')}" if person.conditions else ""
    annotated = int(np.isfinite(person.truth).all(axis=1).sum())
    wrong = f"{len(person.wrong)} of {annotated} joints"
    if len(person.wrong) <= MOST_NAMES:
        wrong = ", ".join(person.wrong).replace("_", " ") or "none"
    return f"mean error {person.error:.2f} head sizes{hard} · more than half a head off: {wrong}"


@torch.inference_mode()
def _heatmaps(
    run: RunRecord, cfg: Config, people: Sequence[WorstPerson], videos: dict[str, VideoAnnotation]
) -> list[np.ndarray]:
    """Return for each person the final heatmaps over the crop, as the run's model sees it."""
    model = build_model(cfg, run.weights).eval()
    laid_over = []
    for person in people:
        video = videos[person.video]
        record = PersonRecord(
            video=video.name,
            image_id=video.images[person.frame].get("id", person.frame),
            frame=video.frame_numbers[person.frame],
            box_xywh=person.box_xywh,
        )
        batch = next(iter(build_stream(cfg, [video], {video.name: [record]})))
        heatmaps = model(batch.network_input(), batch.gaps)[0].float().numpy()
        crop = batch.frames[0, batch.frames.shape[1] // 2].numpy()
        laid_over.append(overlay_heatmaps(crop, heatmaps))
    return laid_over


def _sweep(folder: Path) -> Sweep:
    """Read the table and the chart that scripts/ablate.py wrote."""
    path, chart = folder / "table.md", folder / "table.svg"
    if not path.is_file():
        raise ValueError(f"{path}: no such file, expected the --out folder of scripts/ablate.py")
    try:
        table = Table.from_markdown(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}; run scripts/ablate.py again") from None
    picture = ""
    if chart.is_file():
        content = base64.b64encode(chart.read_bytes()).decode()
        # as a picture, not as part of the page: a picture runs no scripts
        picture = f"data:image/svg+xml;base64,{content}"
    return Sweep(str(folder), table, picture)


if __name__ == "__main__":
    raise SystemExit(main())
