"""The Python of docs/tracking.md runs."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tracking.md"


def test_example():
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    exec(compile(code, str(PAGE), "exec"), names)  # noqa: S102 - our own page
    assert names["track_ids"].tolist() == [0]
    assert names["boxes_next"].round(6).tolist() == [[112, 50, 60, 180]]
    assert names["steady"].shape == (1, 17, 2)
