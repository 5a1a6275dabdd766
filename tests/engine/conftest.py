"""Makes `engine_fakes`, which scripts in subprocesses use too, importable from the tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
