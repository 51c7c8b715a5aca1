#!/bin/bash
# Sourced by demo.sh and test.sh: system libraries, .venv, and where torch comes from.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

TORCH_CPU=https://download.pytorch.org/whl/cpu

step() { printf '[%4d s] %s\n' "$SECONDS" "$*"; }

make_venv() {
    local python=$1
    if .venv/bin/python -m pip --version >/dev/null 2>&1; then
        step "reuse .venv"
    else
        step "make .venv with $("$python" --version)"
        "$python" -m venv --clear .venv
    fi
    export PIP_DISABLE_PIP_VERSION_CHECK=1
}

# On Linux the default torch is built for CUDA and takes gigabytes; the CPU build does all we need.
# Kept: a CPU wheel that pip's settings already offer. The extra index joins the present ones,
# since the variable replaces those of pip's configuration file.
prefer_cpu_torch() {
    local torch
    [ "$(uname -s)" = Linux ] || return 0
    torch=$(grep '^torch==' constraints.txt)
    .venv/bin/pip install -q --dry-run --no-deps "$torch+cpu" >/dev/null 2>&1 && return 0
    if .venv/bin/python -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=10)' \
        "$TORCH_CPU/torch/" 2>/dev/null; then
        local present
        present=${PIP_EXTRA_INDEX_URL:-$(.venv/bin/pip config get global.extra-index-url 2>/dev/null || true)}
        export PIP_EXTRA_INDEX_URL="${present:+$present }$TORCH_CPU"
    else
        step "PyTorch's CPU index does not answer; torch comes from pip's default index and may be large"
    fi
}

step "check system libraries"
PYTHON=$(sh scripts/system-libraries.sh)
make_venv "$PYTHON"
prefer_cpu_torch
