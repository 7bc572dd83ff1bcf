#!/usr/bin/env bash
# zuko 1.6.0 (torch 2.13.0): the log density of a row under a continuous flow depends on the rows beside it, by a hundred times the solver's
# tolerance.
#
# One would guess: `log_prob` of a batch is that of its rows, up to rounding, and the tolerances of `zuko.flows.CNF` (1e-6 absolute, 1e-5 relative)
# bound its error. All rows are integrated with the same steps, whose size follows the errors of the batch, and the tolerance is one of a step. So a
# row alone and the same row beside others differ by up to a thousandth, in float64 as in float32; so does the density that comes with a draw
# (`rsample_and_log_prob`) from that of the same draw evaluated. A run whose batches are cut otherwise (another chunk size, another number of
# processes, a resumed run) has other weights, and two evaluations of one point cannot be held against each other to more than that.
#
# Seen (Python 3.11), two dimensions, 40 steps of training, a hundred rows; largest differences of log density:
#   float32: in two halves 1.2e-03, alone 9.4e-04, as drawn 1.0e-03
#   float64: in two halves 8.5e-04, alone 9.5e-04, as drawn 1.2e-03
#
# Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install --quiet --no-compile "torch==2.13.0" "zuko==1.6.0" "numpy<2.4"
"$folder/v/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import torch
import zuko

print("torch", torch.__version__, "zuko", version("zuko"))
torch.manual_seed(0)
torch.set_num_threads(1)
base = torch.randn(20_000, 2)
banana = torch.stack([base[:, 0], base[:, 0] ** 2 / 2 + 0.3 * base[:, 1] - 0.5], dim=-1)
flow = zuko.flows.CNF(2, hidden_features=(32, 32))
optimiser = torch.optim.Adam(flow.parameters(), 1e-2)
for _ in range(40):
    loss = -flow().log_prob(banana[torch.randint(len(banana), (128,))]).mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
found = []
for kind in (torch.float32, torch.float64):
    flow, rows = flow.to(kind), banana[:100].to(kind)
    with torch.no_grad():
        together = flow().log_prob(rows)
        halves = torch.cat([flow().log_prob(half) for half in rows.chunk(2)])
        alone = torch.cat([flow().log_prob(row[None]) for row in rows[:10]])
        drawn, density = flow().rsample_and_log_prob((100,))
        found.append(
            [
                (together - halves).abs().max().item(),
                (together[:10] - alone).abs().max().item(),
                (flow().log_prob(drawn) - density).abs().max().item(),
            ]
        )
    print("{}: in two halves {:.1e}, alone {:.1e}, as drawn {:.1e}".format(str(kind)[6:], *found[-1]))
sys.exit(not all(value > 1e-4 for value in found[1][1:]))
PYTHON
