#!/usr/bin/env bash
# GWpy 4.1.0: the import of `gwpy.timeseries`, as whoever reads strain does, changes the settings of matplotlib and how NumPy
# prints arrays, for the whole process.
#
# One would guess: a library of data leaves figures of others alone until one of its own plots is asked for. The import sets fourteen of matplotlib's
# `rcParams` (a grid, gray axes, larger labels, another limit for powers of ten) and NumPy's print threshold to 200 numbers. So the figures
# of a script change with the place of the line that reads data, and `print` of an array of 500 numbers, parsed or compared later, loses its middle.
#
# Seen (gwpy 4.1.0, matplotlib 3.11.2, numpy 2.3.5, Python 3.11):
#   settings of matplotlib that changed: 14: axes.axisbelow, axes.edgecolor, axes.formatter.limits, axes.formatter.use_mathtext, axes.grid, ...
#   axes.grid False -> True, threshold 1000 -> 200
#   characters of 500 numbers as text: 2536 -> 35
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet "gwpy==4.1.0" "matplotlib==3.11.2" "numpy==2.3.5" "bilby==2.8.2" "lalsuite"
"$folder/v/bin/python" - <<'PYTHON'
import sys

import bilby
import matplotlib
import matplotlib.pyplot
import numpy as np

bilby.core.utils.logger.setLevel("ERROR")


def settings():
    return dict(matplotlib.rcParams), np.get_printoptions()["threshold"], len(str(np.arange(500.0)))


before = settings()
loaded = "gwpy" in sys.modules
detector = bilby.gw.detector.get_empty_interferometer("H1")
without = settings()
import gwpy  # noqa: E402
import gwpy.timeseries  # noqa: E402

after = settings()
changed = sorted(key for key in after[0] if before[0][key] != after[0][key])
print("gwpy", gwpy.__version__, "matplotlib", matplotlib.__version__, "numpy", np.__version__)
print(f"gwpy loaded by import bilby: {loaded}; an empty interferometer changes settings: {without != before}")
print(f"settings of matplotlib that changed: {len(changed)}: {', '.join(changed)}")
print(f"axes.grid {before[0]['axes.grid']} -> {after[0]['axes.grid']}, threshold {before[1]} -> {after[1]}")
print(f"characters of 500 numbers as text: {before[2]} -> {after[2]}")
sys.exit(not (len(changed) > 10 and after[0]["axes.grid"] and after[1] == 200 and after[2] < before[2]))
PYTHON
