#!/usr/bin/env bash
# Bilby 2.8.2 and PyTorch 2.13.0: parameters drawn from Bilby's priors in the workers of a `DataLoader` are the same in every worker, and the same
# again in every epoch.
#
# One would guess: PyTorch gives each worker and each epoch its own seed, for Python's `random`, for NumPy's and for its own. So it does, for NumPy's
# global state. Bilby draws from a `numpy.random.Generator` of its own, in its module, which each forked worker copies as it stands in the parent, at
# each epoch anew. A network that is trained on simulations drawn in workers sees as many different ones as one worker draws in one epoch: the
# training set is smaller by the number of workers times the number of epochs, and the loss on "fresh" data is one on data that were seen. A
# `worker_init_fn` that calls `bilby.core.utils.random.seed` helps.
#
# Seen (Python 3.11), two workers of four rows each, two epochs; how many different values there are among sixteen draws:
#   Bilby's prior 4, numpy.random 16, torch.rand 16
#   Bilby's prior with a worker_init_fn 16
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet "torch==2.13.0" "bilby==2.8.2" "numpy<2.4"
cat > "$folder/draws.py" <<'PYTHON'
import sys

import bilby
import numpy as np
import torch
from bilby.core.prior import PriorDict, Uniform


class Simulations(torch.utils.data.Dataset):
    """Rows that are drawn when they are asked for: of Bilby's prior, of NumPy's global state, of PyTorch."""

    priors = PriorDict({"mass": Uniform(10, 50)})

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return self.priors.sample()["mass"], np.random.rand(), torch.rand(1).item()


def seeded(worker):
    """Gives Bilby's generator of a worker the seed that PyTorch has chosen for it."""
    bilby.core.utils.random.seed(torch.initial_seed() % 2**32)


def different(first_call):
    """Numbers of different values among sixteen draws by two workers in two epochs."""
    loader = torch.utils.data.DataLoader(
        Simulations(), batch_size=1, num_workers=2, multiprocessing_context="fork", worker_init_fn=first_call
    )
    rows = [tuple(float(value) for value in row) for _ in range(2) for row in loader]
    return [len(set(column)) for column in zip(*rows, strict=True)]


if __name__ == "__main__":
    bilby.core.utils.logger.setLevel("ERROR")
    print("bilby", bilby.__version__, "torch", torch.__version__, "numpy", np.__version__)
    plain, called = different(None), different(seeded)
    print(f"Bilby's prior {plain[0]}, numpy.random {plain[1]}, torch.rand {plain[2]}")
    print(f"Bilby's prior with a worker_init_fn {called[0]}")
    sys.exit(not (plain == [4, 16, 16] and called[0] == 16))
PYTHON
"$folder/v/bin/python" "$folder/draws.py"
