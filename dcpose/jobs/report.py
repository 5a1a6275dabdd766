"""What scripts/report.py does: from the folders of runs to a page that shows them."""

import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import torch

from dcpose.build.data import annotations_dir, build_skeleton, read_videos
from dcpose.build.inference import build_stream
from dcpose.build.model import build_model
from dcpose.config.loading import load_config
from dcpose.config.schema import Config
from dcpose.data.frames import FrameError, read_frame
from dcpose.evaluation.curves import Curves, measure_curves, read_matchings
from dcpose.evaluation.matching import Matching
from dcpose.formats.posetrack.records import VideoAnnotation
from dcpose.report.assemble import check_comparable, make_charts, protocol_line, read_sweep
from dcpose.report.comparison import Model, group_table, subset_comparison
from dcpose.report.gallery import WorstPerson, describe, draw_worst, to_data_uri, worst_people
from dcpose.report.page import Card, Gallery, Page
from dcpose.report.run_files import RunRecord
from dcpose.structures import PersonRecord
from dcpose.visualize.heatmaps import overlay_heatmaps


def make_page(runs: Sequence[RunRecord], sweeps: Sequence[Path], people: int) -> Page:
    """Measure what the runs' predictions can tell, and collect it.

    Args:
        runs: at least one.
        sweeps: folders of scripts/ablate.py.
        people: number of worst people that are shown of each run.

    Raises:
        ValueError: if the runs cannot stand side by side, or a sweep has no table.
    """
    check_comparable(runs)
    models = [Model(run.name, [run.results]) for run in runs]
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
        results=group_table("run", models),
        protocols={run.name: protocol_line(run) for run in runs},
        subsets=subset_comparison("run", models, show_changes=False),
        charts=make_charts(runs, curves),
        galleries=galleries,
        sweeps=[read_sweep(folder) for folder in sweeps],
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
            pictures.append(draw_worst(person, frames, skeleton))
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
            detail=describe(person),
            pictures={title: to_data_uri(picture) for title, picture in shown.items()},
        )
        for person, shown in zip(people, pictures, strict=True)
    ]
    return Gallery(run.name, cards, note)


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
