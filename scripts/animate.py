"""Turn a video into an animated picture for a page: python scripts/animate.py VIDEO OUT.webp.

Takes any source that tools/infer.py takes, its own output first of all.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
from PIL import Image

from dcpose.cli import documented_parser, reports_user_errors
from dcpose.files.writing import replacing
from dcpose.video.opening import open_source
from dcpose.video.source import frame_rate, keep_source


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = documented_parser(__doc__)
    parser.add_argument("source", help="video, folder of images or pattern")
    parser.add_argument("out", type=Path, help="ends in .webp or .gif")
    parser.add_argument("--width", type=int, default=480, help="in pixels (%(default)s)")
    parser.add_argument("--rate", default=10, help="frames per second (%(default)s)")
    parser.add_argument("--quality", type=int, default=60, help="of WebP, 0 to 100 (%(default)s)")
    args = parser.parse_args(argv)
    if args.out.suffix not in (".webp", ".gif"):
        raise ValueError(f"{args.out}: the name has to end in .webp or .gif")
    if args.width < 1:
        parser.error("--width must be greater than 0")
    duration_ms = max(1, round(1000 / frame_rate(args.rate)))
    source = open_source(args.source)
    keep_source(source, args.out)
    frames = []
    for frame in source:
        height = max(1, round(frame.image.shape[0] * args.width / frame.image.shape[1]))
        size = args.width, height
        frames.append(Image.fromarray(cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA)))
    first, *rest = frames
    with replacing(args.out) as temporary:
        first.save(
            temporary,
            format=args.out.suffix[1:].upper(),
            save_all=True,
            append_images=rest,
            duration=duration_ms,
            loop=0,
            quality=args.quality,
            method=6,
        )
    print(f"{args.out}: {len(frames)} frames, {args.out.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
