#!/bin/sh
# Makes .venv with everything locked in requirements.lock (or, with the argument "dev",
# requirements-dev.lock, or with "package" the tools that make packages as well), installs missing system libraries where it may, and fetches the networks.
# Used by the Makefile; safe to run again at any time.
set -eu
cd "$(dirname "$0")/.."

what=${1:-run}
case $what in
    run) lock=requirements.lock ;;
    dev | package) lock=requirements-dev.lock ;;
    *) echo "setup: the argument is run, dev or package, not $what." >&2; exit 2 ;;
esac

say() { echo "setup: $*"; }

fits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null
}

find_python() {
    for name in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if fits "$name"; then
            command -v "$name"
            return
        fi
    done
    say "no Python 3.11, 3.12 or 3.13 was found; install one, or name it: make PYTHON=/path/to/python3" >&2
    exit 3
}

python=$(find_python)

# Debian's package starts a server of its own at once; only its programs are wanted here.
without_cluster() {
    said=/etc/postgresql-common/createcluster.conf
    { apt-get update -q && apt-get install -q -y --no-install-recommends postgresql-common; } </dev/null &&
        sed -i '/create_main_cluster/d' "$said" && echo 'create_main_cluster = false' >>"$said" || {
        say "apt-get could not install postgresql-common; its lines above say why."
        exit 3
    }
}

# --- System packages: the few things that no Python wheel carries. ---------------------------
missing=""
if [ "$(uname -s)" = Linux ]; then
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        missing="$missing $("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    # The microphone's library; the wheels for macOS and Windows bring it along.
    "$python" -c 'import ctypes.util, sys; sys.exit(ctypes.util.find_library("portaudio") is None)' ||
        missing="$missing libportaudio2"
    # What Qt's wheel leaves to the system, for windows on X11 and on Wayland.
    for pair in EGL:libegl1 GL:libgl1 dbus-1:libdbus-1-3 fontconfig:libfontconfig1 \
        xkbcommon-x11:libxkbcommon-x11-0 xcb-cursor:libxcb-cursor0 xcb-icccm:libxcb-icccm4 \
        xcb-keysyms:libxcb-keysyms1 xcb-image:libxcb-image0 xcb-render-util:libxcb-render-util0 \
        xcb-shape:libxcb-shape0; do
        "$python" -c 'import ctypes.util, sys; sys.exit(ctypes.util.find_library(sys.argv[1]) is None)' \
            "${pair%%:*}" || missing="$missing ${pair#*:}"
    done
fi
if [ "$what" != run ]; then
    # Tests let espeak-ng and flite speak, and open our clips with programs that others wrote: age, FFmpeg's.
    command -v espeak-ng >/dev/null || missing="$missing espeak-ng"
    command -v flite >/dev/null || [ "$(uname -s)" != Linux ] || missing="$missing flite"
    command -v ffprobe >/dev/null || missing="$missing ffmpeg"
    command -v age >/dev/null || missing="$missing age"
    # Windows are tried on a virtual display, and a page in a real browser.
    if [ "$(uname -s)" = Linux ]; then
        command -v Xvfb >/dev/null || missing="$missing xvfb"
        command -v chromium >/dev/null || command -v google-chrome >/dev/null || missing="$missing chromium"
        [ -n "$(fc-list 2>/dev/null | head -n 1)" ] || missing="$missing fonts-dejavu-core fontconfig"
    fi
    # The hub is tried on a PostgreSQL server that the tests start themselves, in a temporary folder.
    command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 ||
        missing="$missing postgresql"
    # And behind nginx. Debian's package starts a server at once where systemd runs, so it is left out there.
    command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || [ -d /run/systemd/system ] ||
        [ "$(uname -s)" != Linux ] || missing="$missing nginx-light"
    # They also watch for connections and kill the agent at every step, which needs strace.
    [ "$(uname -s)" != Linux ] || command -v strace >/dev/null || missing="$missing strace"
fi

if [ "$what" != run ] && [ "$(uname -s)" = Linux ]; then
    # Release signatures are checked with the program that others wrote; windows are looked for from outside.
    command -v minisign >/dev/null || missing="$missing minisign"
fi
if [ "$what" = package ] && [ "$(uname -s)" = Linux ]; then
    for pair in debootstrap:debootstrap mksquashfs:squashfs-tools xwininfo:x11-utils cc:gcc dpkg-deb:dpkg \
        desktop-file-validate:desktop-file-utils appstreamcli:appstream; do
        command -v "${pair%%:*}" >/dev/null || [ -x "/usr/sbin/${pair%%:*}" ] || missing="$missing ${pair#*:}"
    done
    # The first part of the AppImage is compiled against these.
    for pair in squashfuse/squashfuse.h:libsquashfuse-dev zlib.h:zlib1g-dev zstd.h:libzstd-dev lzma.h:liblzma-dev \
        lz4.h:liblz4-dev lzo/lzo1x.h:liblzo2-dev; do
        [ -e "/usr/include/${pair%%:*}" ] || missing="$missing ${pair#*:}"
    done
fi

if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing$missing with apt-get"
        export DEBIAN_FRONTEND=noninteractive
        case " $missing " in
            *" postgresql "*) without_cluster ;;
        esac
        # shellcheck disable=SC2086 # a list of package names
        { apt-get update -q && apt-get install -q -y --no-install-recommends $missing; } </dev/null || {
            say "apt-get could not install$missing; its lines above say why."
            exit 3
        }
    else
        if [ "$(uname -s)" = Darwin ]; then
            say "missing; this installs it: brew install$missing"
        elif command -v apt-get >/dev/null; then
            say "missing; this installs it: sudo apt-get install -y$missing"
        else
            say "missing; install these with your system's package manager (Debian's names):$missing"
        fi
        case $missing in
            *-venv*) say "without the first of them there can be no .venv; run make again afterwards."; exit 3 ;;
            *) say "going on without: the microphone, or the tests that need them, will say so." ;;
        esac
    fi
fi

# --- The environment. ------------------------------------------------------------------------
if ! fits .venv/bin/python; then
    say "making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
fi
pip="./.venv/bin/python -m pip --disable-pip-version-check --no-input"
say "installing what $lock pins"
$pip install -q --require-hashes --only-binary :all: -r packaging/build.lock
# srt, which Vosk asks for, and sed-eval with its helper, which judge our statistics in tests, are pure
# Python without a wheel; all else must be one, so nothing compiles.
$pip install -q --require-hashes --only-binary :all: --no-binary srt,sed-eval,dcase-util \
    --use-pep517 --no-build-isolation -r "$lock"
$pip install -q --no-deps --no-build-isolation -e .

# --- The networks. ---------------------------------------------------------------------------
code=0
./.venv/bin/proctor models install || code=$?
case $code in
    0) ;;
    3) say "going on without the networks named above; \`make models\` tries again." ;;
    *) exit "$code" ;;
esac
say "done."
