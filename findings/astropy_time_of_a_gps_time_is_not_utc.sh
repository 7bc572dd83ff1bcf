#!/usr/bin/env bash
# astropy 8.0.2: date, MJD and `datetime` of `Time(gps, format="gps")` are 36 or 37 seconds later than those of LAL for the same GPS time.
#
# One would guess: the calendar date of a GPS time is UTC, or at least GPS time, which is 17 or 18 seconds ahead. Astropy puts GPS times on the scale
# TAI, and every other format of the same object (`iso`, `mjd`, `datetime`) is then the date in TAI, without a mark in the text; `.utc` has to be in
# between. A table or an alert with MJDs made so is off by twenty times the 1.7 s between the merger of GW170817 and its gamma rays.
# (Known: https://github.com/astropy/astropy/issues/11265.)
#
# Seen (lal 7.7.1, Python 3.11), GPS time 1126259462 and 1187008882:
#   1126259462: LAL 2015-09-14 09:50:45, astropy 2015-09-14 09:51:21.000 (tai), astropy's .utc 2015-09-14 09:50:45.000
#     MJD 57279.410660, 57279.410243 in UTC: 36 s
#   1187008882: LAL 2017-08-17 12:41:04, astropy 2017-08-17 12:41:41.000 (tai), astropy's .utc 2017-08-17 12:41:04.000
#     MJD 57982.528947, 57982.528519 in UTC: 37 s
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet --no-compile "lalsuite==7.26.16" "numpy==2.3.5" "astropy==8.0.2"
MPLBACKEND=Agg "$folder/v/bin/python" - <<'PYTHON'
import datetime
import sys

import astropy
import lal
from astropy.time import Time

print("astropy", astropy.__version__, "lal", lal.__version__)
late = []
for gps in (1126259462, 1187008882):
    time = Time(gps, format="gps")
    of_lal = datetime.datetime(*lal.GPSToUTC(gps)[:6])
    late.append((time.datetime - of_lal).total_seconds())
    print(f"{gps}: LAL {of_lal}, astropy {time.iso} ({time.scale}), astropy's .utc {time.utc.iso}")
    print(f"  MJD {time.mjd:.6f}, {time.utc.mjd:.6f} in UTC: {86400 * (time.mjd - time.utc.mjd):.0f} s")
sys.exit(late != [36.0, 37.0])
PYTHON
