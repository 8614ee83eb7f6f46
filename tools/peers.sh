#!/usr/bin/env bash
# Prepares .venv-peers/: other planners and environments that ours are measured beside (stable-worldmodel, torch-world).
# Nothing of the product needs it. It shares torch and numpy with .venv/, which comes first.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
tools/setup.sh
[ -e .venv-peers/ready ] && exit 0
.venv/bin/python -m venv --without-pip .venv-peers
site=$(echo .venv-peers/lib/python*/site-packages)
# Without their dependencies: a resolver left alone takes a torch of several GB, and torchvision has no build for CPUs.
.venv/bin/python -m pip install --quiet --no-deps --target "$site" --requirement tools/peers.txt
touch .venv-peers/ready
