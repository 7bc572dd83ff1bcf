#!/usr/bin/env bash
# Bilby 2.8.2 and LALSuite 7.26.16: A1 is LIGO India in Bilby and the bar ALLEGRO in Louisiana in LAL, and Bilby's ET2 and ET3 have each other's
# response.
#
# One would guess: a detector's two characters are one instrument in both, as for H1, L1, V1 and K1, whose places agree to two millimetres. A1 is LIGO
# Aundha in Bilby; in LAL it is ALLEGRO, 11500 km off through the Earth, and LIGO India is I1 there. Of the Einstein Telescope the first detector
# agrees; the second and the third of Bilby stand within 25 m of E2 and E3, but each has the response of the other: the arms of Bilby's ET2 do not run
# along the triangle's sides. Data simulated for E2 with LAL and analysed as ET2 have another antenna pattern,
# with no error and no warning. The places in the triangle were corrected before (https://github.com/bilby-dev/bilby/pull/1016).
#
# Seen (Python 3.11), distances in km, largest difference of the elements of the detector tensors (0.5 is all there is of one arm):
#   Bilby's H1 and LAL's H1 (LHO_4k): 0.000 km, 0.000
#   Bilby's A1 and LAL's A1 (ALLEGRO_320): 11506.237 km, 0.776
#   Bilby's A1 and LAL's I1 (LIO_4k): 0.000 km, 0.000
#   Bilby's ET1 and LAL's E1 (ET1_T1400308): 0.000 km, 0.000
#   Bilby's ET2 and LAL's E2 (ET2_T1400308): 0.020 km, 0.598
#   Bilby's ET2 and LAL's E3 (ET3_T1400308): 10.002 km, 0.001
#   Bilby's ET3 and LAL's E2 (ET2_T1400308): 10.013 km, 0.001
#   Bilby's ET3 and LAL's E3 (ET3_T1400308): 0.023 km, 0.599
#   arms of Bilby's ET2 are 60 and 120 degrees off the nearer side of the triangle
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet --no-compile "bilby==2.8.2" "lalsuite==7.26.16" "numpy==2.3.5" "scipy==1.16.3" "astropy==8.0.2"
MPLBACKEND=Agg "$folder/v/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import bilby
import lal
import numpy as np
from bilby.gw.detector import get_empty_interferometer

bilby.core.utils.logger.setLevel("ERROR")
print("bilby", version("bilby"), "lal", lal.__version__)
lals = {detector.frDetector.prefix: detector for detector in lal.CachedDetectors}
triangle = {f"ET{i + 1}": one for i, one in enumerate(get_empty_interferometer("ET"))}


def against(one, prefix):
    """Distance (km) of a detector of Bilby's from one of LAL's, and the difference of their tensors."""
    theirs = lals[prefix]
    return np.linalg.norm(one.vertex - theirs.location) / 1e3, np.max(np.abs(one.detector_tensor - theirs.response))


seen = {}
for name, prefix in (("H1", "H1"), ("A1", "A1"), ("A1", "I1"), *((f"ET{i}", f"E{j}") for i in (1, 2, 3) for j in (1, 2, 3))):
    one = triangle.get(name) or get_empty_interferometer(name)
    seen[name, prefix] = against(one, prefix)
    if name[:2] != "ET" or name[-1] == prefix[-1] or seen[name, prefix][1] < 0.01:
        title = lals[prefix].frDetector.name
        print("Bilby's {} and LAL's {} ({}): {:.3f} km, {:.3f}".format(name, prefix, title, *seen[name, prefix]))
corner = {name: one.vertex for name, one in triangle.items()}
sides = [corner[name] - corner["ET2"] for name in ("ET1", "ET3")]
angles = [
    min(np.degrees(np.arccos(arm @ side / np.linalg.norm(side))) for side in sides) for arm in (triangle["ET2"].x, triangle["ET2"].y)
]
print(f"arms of Bilby's ET2 are {angles[0]:.0f} and {angles[1]:.0f} degrees off the nearer side of the triangle")
sys.exit(
    not (
        seen["A1", "A1"][0] > 10_000 and seen["A1", "I1"][1] < 1e-5
        and seen["ET2", "E2"][0] < 0.03 and seen["ET2", "E2"][1] > 0.5 and seen["ET2", "E3"][1] < 1e-2 and min(angles) > 50
    )
)
PYTHON
