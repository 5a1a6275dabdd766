"""The tests that compare bits, with AVX2; in a file of its own, to run beside the other one."""

import pytest
import torch
from fixtures.instructions import run_same_bits


@pytest.mark.slow
@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() == "AVX2",
    reason="this processor has no more than AVX2: the tests themselves run with it",
)
def test_with_avx2(tmp_path):
    run_same_bits(tmp_path, ONEDNN_MAX_CPU_ISA="AVX2", ATEN_CPU_CAPABILITY="avx2")
