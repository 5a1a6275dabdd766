#!/usr/bin/env bash
# Set up (first time only) and run the tests; arguments go to pytest, for example -k geometry.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup_env.sh"
ruff check .
ruff format --check .
mypy
# threads that wait for each other without spinning: many times faster where cores are shared
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-PASSIVE}"
exec python -m pytest "$@"
