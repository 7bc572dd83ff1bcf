#!/usr/bin/env bash
# bilby_pipe 1.10.1: with `sampling-seed = 0` all parallel runs of an analysis have the same seed; with any other seed each has its own.
#
# One would guess: with `n-parallel = 3` the runs have the seeds 0, 1 and 2, as with `sampling-seed = 1` they have 1, 2 and 3. The number of the
# run is added only where the seed is true in Python's sense, which 0 is not: no run is given a seed of its own, and each reads 0 from the
# configuration.
#
# Why it matters: runs of one seed are copies. Merged, they show the samples of one run several times, and their agreement, which parallel runs
# are made to show, says nothing.
#
# Seen (bilby_pipe 1.10.1, bilby 2.8.2, Python 3.11), seeds in the commands of the three runs:
#   sampling-seed = 1: 1 2 3  (the configuration that each reads has sampling-seed=1)
#   sampling-seed = 0: none (the configuration that each reads has sampling-seed=0)
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
for seed in 1 0; do
    cat > pair.ini <<INI
label = pair
outdir = out$seed
detectors = [H1]
duration = 4
sampling-frequency = 1024
trigger-time = 1126259462.4
gaussian-noise = True
generation-seed = 5
prior-file = pair.prior
sampler = dynesty
sampling-seed = $seed
n-parallel = 3
n-simulation = 1
accounting = none.of.these
INI
    bilby_pipe pair.ini > log 2>&1
    seeds=$(grep -h -o -e '--sampling-seed [0-9]*' out$seed/submit/bash_*.sh | cut -d" " -f2 | uniq | tr '\n' ' ' || true)
    kept=$(grep -h '^sampling-seed' out$seed/*_config_complete.ini)
    echo "sampling-seed = $seed: ${seeds:-none} (the configuration that each reads has $kept)"
    declare "seeds_$seed=$seeds"
done
[[ "$seeds_1" == "1 2 3 " && -z "$seeds_0" ]]
