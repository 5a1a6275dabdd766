#!/usr/bin/env bash
# Set up (first time only) and run the tests; arguments go to pytest, for example -k geometry.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup_env.sh"
ruff check .
ruff format --check .
mypy
exec python -m pytest "$@"
