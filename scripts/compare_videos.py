"""Draw what several models find in one video side by side.

python scripts/compare_videos.py VIDEO --predictions NAME=FILE [NAME=FILE ...] --out OUT.mp4

The files are the JSON of tools/infer.py for this video, one of each model.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dcpose.cli import documented_parser, reports_user_errors
from dcpose.engine.run.progress import set_up_logging, with_progress
from dcpose.formats.results.video_results import VideoResults, read_results
from dcpose.formats.skeleton_yaml import read_skeleton
from dcpose.skeleton import POSETRACK, Skeleton
from dcpose.video.opening import DEFAULT_IMAGE_RATE, open_source
from dcpose.video.writer import VideoWriter
from dcpose.visualize.people import draw_people, draw_title


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = documented_parser(__doc__)
    parser.add_argument("source", help="video, folder of images or pattern")
    parser.add_argument("--predictions", nargs="+", required=True, metavar="NAME=FILE")
    parser.add_argument("--out", type=Path, required=True, help="mp4 to write")
    parser.add_argument("--skeleton", type=Path, help="YAML of the joints (default: PoseTrack's)")
    parser.add_argument("--rate", default=DEFAULT_IMAGE_RATE, help="of images, fps")
    args = parser.parse_args(argv)
    set_up_logging()
    skeleton = POSETRACK if args.skeleton is None else read_skeleton(args.skeleton)
    columns = {}
    for text in args.predictions:
        name, _, file = text.partition("=")
        if not name or not file:
            raise ValueError(f"--predictions: found {text!r}, expected NAME=FILE")
        columns[name] = read_poses(Path(file), skeleton)
    source = open_source(args.source, args.rate)
    width, height = source.frame_wh
    with VideoWriter(args.out, source, (width * len(columns), height)) as video:
        for frame in with_progress(source, source.name, source.num_frames):
            canvas = np.zeros((height, width * len(columns), 3), np.uint8)
            for number, (name, poses) in enumerate(columns.items()):
                if frame.index >= poses.num_frames:
                    raise ValueError(
                        f"{name}: has {poses.num_frames} frames, but {args.source} has more; give "
                        "the file that tools/infer.py wrote for this video"
                    )
                people = list(poses.people_of_frame(frame.index))
                drawn = draw_people(
                    frame.image,
                    poses.boxes_xywh[people],
                    poses.track_ids[people],
                    poses.joints[people],
                    poses.joint_scores[people],
                    skeleton,
                )
                draw_title(drawn, name)
                left = number * width
                canvas[: drawn.shape[0], left : left + drawn.shape[1]] = drawn
            video.write(canvas, frame.ticks, frame.duration)
    print(args.out)
    return 0


def read_poses(path: Path, skeleton: Skeleton) -> VideoResults:
    """Read a file of poses; ValueError if it has other joints."""
    results = read_results(path)
    if results.joint_names != skeleton.joint_names:
        raise ValueError(
            f"{path}: has the joints {', '.join(results.joint_names)}, expected those of the "
            f"skeleton {skeleton.name}: {', '.join(skeleton.joint_names)}"
        )
    return results


if __name__ == "__main__":
    raise SystemExit(main())
