#!/usr/bin/env bash
# redback 1.20.0: `import redback` sets matplotlib's `text.usetex`, the format and the resolution of saved pictures for the whole process.
#
# One would guess: a package that fits light curves leaves matplotlib's settings alone, or changes them while it draws. The import alone turns on
# LaTeX for all text (every picture of another package then fails to be drawn where no `latex` is installed), and has `savefig("name")` write
# a PDF with 300 dots per inch. Lines, markers and ticks become thinner, as well.
#
# Seen (redback 1.20.0, matplotlib 3.11.2, Python 3.11), settings that differ from matplotlib's own after the import:
#   text.usetex: False before the import, True after it
#   savefig.format: png before the import, pdf after it
#   savefig.dpi: figure before the import, 300.0 after it
#   14 settings are changed
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet "redback==1.20.0" "bilby==2.8.2"
"$folder/v/bin/python" - 2>/dev/null <<'PYTHON'
import sys

import bilby
import matplotlib

matplotlib.use("agg")
before = dict(matplotlib.rcParams)
import redback

print("redback", redback.__version__, "matplotlib", matplotlib.__version__, "bilby", bilby.__version__)
changed = {key: value for key, value in dict(matplotlib.rcParams).items() if before[key] != value}
for key in ("text.usetex", "savefig.format", "savefig.dpi"):
    print(f"{key}: {before[key]} before the import, {matplotlib.rcParams[key]} after it")
print(len(changed), "settings are changed")
sys.exit(not (changed.get("text.usetex") is True and changed.get("savefig.format") == "pdf"))
PYTHON
