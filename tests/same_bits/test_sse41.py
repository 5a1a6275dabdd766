"""The tests that compare bits, with SSE4.1; and that none of them is left out."""

import pytest
from fixtures.instructions import FILES, MARK, REPOSITORY, run_same_bits


@pytest.mark.slow
def test_with_sse41(tmp_path):
    run_same_bits(tmp_path, ONEDNN_MAX_CPU_ISA="SSE41", ATEN_CPU_CAPABILITY="default")


def test_no_test_that_compares_bits_is_left_out():
    marked = [
        path.relative_to(REPOSITORY).as_posix()
        for path in (REPOSITORY / "tests").rglob("test_*.py")
        if f"@pytest.mark.{MARK}" in path.read_text(encoding="utf-8")
    ]
    assert marked
    assert [path for path in marked if not path.startswith(FILES)] == []
