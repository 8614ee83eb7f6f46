#!/usr/bin/env bash
# h5py 3.16.0: a recorder appends episodes to a file, flushes after each, and is killed (power cut, OOM killer, Ctrl-\).
# One expects what was flushed to be readable, as the default format has it. With libver="latest", which is advised for
# speed, the same file can neither be read nor appended to any more; the HDF5 wheel brings no h5clear to mend it.
# It hurts everyone who records robot data sets for hours: the whole file is lost, not the last episode.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install -q h5py==3.16.0 numpy==2.4.6
cat > "$work/record.py" <<'PY'
import os, signal, sys
import h5py
import numpy as np

path, options = sys.argv[1], {"libver": sys.argv[2]} if len(sys.argv) > 2 else {}
file = h5py.File(path, "w", **options)
data = file.create_dataset("action", (0, 2), np.float32, maxshape=(None, 2), chunks=(64, 2))
for episode in range(3):
    data.resize(100 * (episode + 1), 0)
    data[-100:] = episode
    file.flush()
os.kill(os.getpid(), signal.SIGKILL)
PY
cat > "$work/open.py" <<'PY'
import sys
import h5py

found = []
for mode in ("r", "a"):
    try:
        with h5py.File(sys.argv[1], mode) as file:
            found.append(f"{mode}: {len(file['action'])} rows")
    except OSError as error:
        found.append(f"{mode}: {str(error).split('(')[1].rstrip(')')}")
print("; ".join(found))
PY
"$work/env/bin/python" -c 'import h5py; print("h5py", h5py.__version__, "HDF5", h5py.version.hdf5_version)'
"$work/env/bin/python" "$work/record.py" "$work/default.h5" || true
"$work/env/bin/python" "$work/record.py" "$work/latest.h5" latest || true
default=$("$work/env/bin/python" "$work/open.py" "$work/default.h5")
latest=$("$work/env/bin/python" "$work/open.py" "$work/latest.h5")
echo "default format:  $default"
echo "libver=latest:   $latest"
[[ $default == "r: 300 rows; a: 300 rows" && $latest == *"already open for write"*"already open for write"* ]]
