#!/usr/bin/env bash
# Prepares .venv-peers/: what ours is measured beside. Nothing of the product needs it.
# Planners and environments (stable-worldmodel, torch-world) share torch and numpy with .venv/, which comes first; stores
# of vectors (LanceDB, Qdrant, Chroma, sqlite-vec) have a Python of their own in .venv-peers/memory/.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
tools/setup.sh
[ -e .venv-peers/ready ] && [ ! tools/peers.txt -nt .venv-peers/ready ] && exit 0  # installed, and nothing was added since
.venv/bin/python -m venv --without-pip .venv-peers
site=$(echo .venv-peers/lib/python*/site-packages)
# Without their dependencies: a resolver left alone takes a torch of several GB, and torchvision has no build for CPUs.
.venv/bin/python -m pip install --quiet --no-deps --target "$site" --requirement tools/peers.txt
.venv/bin/python -m venv .venv-peers/memory
.venv-peers/memory/bin/python -m pip install --quiet --requirement tools/memory_peers.txt
touch .venv-peers/ready
