#!/usr/bin/env bash
# bilby_pipe 1.10.1: simulated noise at a trigger time makes no job at all, unless a signal is injected or `n-simulation` is given.
#
# One would guess: an ini file with `trigger-time`, `gaussian-noise = True` and a prior makes data and analyses them, as the same file does with
# the strain of a channel. With noise that is simulated, the number of data sets is `n-simulation`, which is zero by default; an injection makes
# it one. Without both bilby_pipe writes a script without a command, says that all is done, and exits with 0.
#
# Why it matters: noise without a signal is the control of a study, made by leaving out `injection-dict`. With `--local` such a run ends at
# once, without a result and without a word of warning.
#
# Seen (bilby_pipe 1.10.1, bilby 2.8.2, Python 3.11), analyses in the script that bilby_pipe writes:
#   noise alone: exit status 0, analyses 0
#   noise alone, n-simulation = 1: exit status 0, analyses 1
#   noise and a signal: exit status 0, analyses 1
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet "bilby==2.8.2" "bilby_pipe==1.10.1"
export PATH="$folder/v/bin:$PATH"
cd "$folder"
cat > pair.prior <<'PRIOR'
mass_ratio = Uniform(name='mass_ratio', minimum=0.3, maximum=1)
chirp_mass = 28.0
luminosity_distance = 500
geocent_time = Uniform(name='geocent_time', minimum=1126259462.3, maximum=1126259462.5)
phase = 0
chi_1 = 0
chi_2 = 0
theta_jn = 0.4
ra = 1.375
dec = -1.2108
psi = 2.659
PRIOR
python -c "from importlib.metadata import version; print('bilby_pipe', version('bilby_pipe'), 'bilby', version('bilby'))"
signal="chirp_mass: 28, mass_ratio: 0.8, luminosity_distance: 500, geocent_time: 1126259462.4, phase: 0, a_1: 0, a_2: 0"
signal="{$signal, tilt_1: 0, tilt_2: 0, phi_12: 0, phi_jl: 0, theta_jn: 0.4, ra: 1.375, dec: -1.2108, psi: 2.659}"
found=""
for case in "noise alone:" "noise alone, n-simulation = 1:n-simulation = 1" "noise and a signal:injection-dict = $signal"; do
    name="${case%%:*}"
    rm -rf out
    cat > pair.ini <<INI
label = pair
outdir = out
detectors = [H1]
duration = 4
sampling-frequency = 1024
trigger-time = 1126259462.4
gaussian-noise = True
generation-seed = 5
prior-file = pair.prior
sampler = dynesty
accounting = none.of.these
${case#*:}
INI
    status=0
    bilby_pipe pair.ini > log 2>&1 || status=$?
    number=$(grep -c '^ *[^ ]*bilby_pipe_analysis ' out/submit/bash_pair.sh || true)
    echo "$name: exit status $status, analyses $number"
    found="$found$status$number "
done
[[ "$found" == "00 01 01 " ]]
