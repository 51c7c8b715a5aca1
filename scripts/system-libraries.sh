#!/bin/sh
# Makes sure that the system libraries and a Python are there; prints that Python on the last line.
# Installs what is missing on Debian and Ubuntu when it may, else says what to type.
set -eu

# a|b: the same library under the names of different releases
WANTED="xvfb xauth libgl1 libegl1 libdbus-1-3 libfontconfig1 libglib2.0-0t64|libglib2.0-0 \
libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-shape0 libxkbcommon-x11-0"

say() { printf '%s\n' "$*" >&2; }

suits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null
}

find_python() {
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.14; do
        if command -v "$candidate" >/dev/null && suits "$candidate"; then
            echo "$candidate"
            return
        fi
    done
}

has_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

installed() { dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

offered() { apt-cache policy "$1" 2>/dev/null | grep -q 'Candidate: [^(]'; }

# The first of a|b that is offered, else the last.
choose() {
    for name in $(echo "$1" | tr '|' ' '); do
        if offered "$name"; then break; fi
    done
    echo "$name"
}

missing_libraries() {
    for names in $WANTED; do
        found=
        for name in $(echo "$names" | tr '|' ' '); do
            if installed "$name"; then found=yes; fi
        done
        if [ -z "$found" ]; then choose "$names"; fi
    done
}

missing_python() {
    python=$(find_python)
    if [ -z "$python" ]; then
        for minor in 13 12 11 14; do
            if offered "python3.$minor"; then
                echo "python3.$minor python3.$minor-venv"
                return
            fi
        done
    elif ! has_venv "$python"; then
        version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
        echo "$version-venv"
    fi
}

# On one line; empty when everything is there.
# shellcheck disable=SC2046
missing() { echo $(missing_libraries) $(missing_python); }

install_missing() {
    if [ "$(id -u)" = 0 ]; then
        as_root="env"
    elif sudo -n true 2>/dev/null; then
        as_root="sudo"
    else
        say "Missing system packages. Please run, then start again:"
        say "  sudo apt-get update && sudo apt-get install -y --no-install-recommends $(missing)"
        exit 1
    fi
    $as_root apt-get update -qq >/dev/null || say "apt-get update failed; going on with the lists at hand"
    say "Installing system packages: $(missing)"
    # shellcheck disable=SC2046
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y --no-install-recommends $(missing) >/dev/null
}

if command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; then
    if [ -n "$(missing)" ]; then install_missing; fi
elif [ "$(uname -s)" = Linux ]; then
    say "Not a Debian or Ubuntu system: if the window fails to open, install Xvfb, libGL, libEGL and"
    say "the xcb libraries of Qt 6 (xcb-cursor, xcb-icccm, xcb-keysyms, xkbcommon-x11)."
fi

python=$(find_python)
if [ -z "$python" ]; then
    say "No Python 3.11 to 3.14 found. Install one (python.org, your package manager, or 'uv python"
    say "install 3.12') and name it: PYTHON=python3.12 bash scripts/test.sh"
    exit 1
fi
if ! has_venv "$python"; then
    say "$python cannot make virtual environments; install the venv package of that Python."
    exit 1
fi
command -v "$python"
