"""The tests that compare bits, with AVX2; in a file of its own, to run beside the other one."""

import pytest
from fixtures.instructions import run_same_bits


@pytest.mark.slow
def test_with_avx2(tmp_path):
    run_same_bits(tmp_path, ONEDNN_MAX_CPU_ISA="AVX2", ATEN_CPU_CAPABILITY="avx2")
