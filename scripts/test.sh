#!/bin/bash
# From a fresh clone to lint, types and all tests; arguments go to pytest.
set -euo pipefail
# shellcheck source=scripts/prepare.sh
. "$(dirname "${BASH_SOURCE[0]}")/prepare.sh"

step "install tox"
.venv/bin/pip install -q -c constraints.txt "tox>=4.22"
step "lint, types and tests (the first run installs for some minutes)"
status=0
.venv/bin/tox run -e lint,py -- "$@" || status=$?
step "finished with exit code $status"
exit "$status"
