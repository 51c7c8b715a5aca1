#!/bin/bash
# From a fresh clone to a tracked clip: installs into .venv, then writes the folder usstrack-demo.
set -euo pipefail
# shellcheck source=scripts/prepare.sh
. "$(dirname "${BASH_SOURCE[0]}")/prepare.sh"

step "install usstrack (some minutes the first time)"
rm -rf build/lib # left by an earlier install; would bring deleted modules back
.venv/bin/pip install -q -c constraints.txt ".[all]"
step "run the demo"
.venv/bin/usstrack demo --output usstrack-demo "$@"
step "done"
