#!/usr/bin/env bash
# Set up (first time only) and run the tests, in three processes; arguments go to pytest, which
# then runs in one, for example -k geometry.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup_env.sh"
ruff check .
ruff format --check .
mypy
# threads that wait for each other without spinning: many times faster where cores are shared
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-PASSIVE}"
# what one process has compiled, and where it has rewritten assertions, others read
unset PYTHONDONTWRITEBYTECODE
# tests of a file share what they set up, so a file stays in one process; in the order of
# tests/conftest.py, which begins with slow files; a third process fills two cores while others wait
[ $# -gt 0 ] || set -- --numprocesses 3 --dist loadfile --no-loadscope-reorder --durations 15
exec python -m pytest "$@"
