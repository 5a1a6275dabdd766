r"""Make one HTML page of a run, or of several side by side.

dcpose report runs/quickstart_cpu_seed0/dcpose
dcpose report "single frame=runs/.../single_frame" DCPose=runs/.../dcpose \
    --sweep runs/ablations --out report.html

The page holds everything it shows: it opens from disk, without a network.
"""

from collections.abc import Sequence
from pathlib import Path

from dcpose.cli import documented_parser, reports_user_errors
from dcpose.files.packages import require
from dcpose.files.writing import write_text
from dcpose.report.run_files import RunRecord, read_run


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = documented_parser(__doc__)
    parser.add_argument("runs", nargs="+", metavar="[NAME=]RUN", help="folders with results.json")
    parser.add_argument("--sweep", type=Path, nargs="*", default=[], help="of scripts/ablate.py")
    parser.add_argument("--out", type=Path, help="default: report.html in the last run's folder")
    parser.add_argument("--people", type=int, default=6, help="worst people shown (default 6)")
    args = parser.parse_args(argv)
    for package in ("jinja2", "matplotlib"):
        require(package, "the page")
    from dcpose.jobs.report import make_page
    from dcpose.report.page import render

    runs = [_named_run(text) for text in args.runs]
    out = args.out or runs[-1].folder / "report.html"
    write_text(out, render(make_page(runs, args.sweep, args.people)))
    print(f"{out} ({out.stat().st_size / 1e6:.1f} MB)")
    return 0


def _named_run(text: str) -> RunRecord:
    name, separator, folder = text.partition("=")
    if Path(text).is_dir() or not separator:
        return read_run(Path(text))
    return read_run(Path(folder), name)
