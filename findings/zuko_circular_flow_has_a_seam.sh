#!/usr/bin/env bash
# zuko 1.6.0 (torch 2.13.0): the density of a "circular" spline flow in more than one dimension jumps where an angle goes from pi to -pi.
#
# One would guess: a flow on circles (`zuko.flows.NCSF`) has one density at an angle of pi and of -pi, which are one place: its splines have slope one
# at both ends and half a turn between layers. They do; but each angle's spline is made by a network that is shown the other angles as plain numbers,
# so that it sees two far values at one place. In one dimension there is no seam; in two, trained on a density that is smooth around the circle, it is
# there by factors of up to twenty (3 in the logarithm), where a polarisation angle, a phase or a right ascension is cut. Weights
# of importance sampling have it, and neither the loss nor a sample's marginals show it. (The angles' cosines and sines as the network's input would
# not.)
#
# Seen (Python 3.11), the first angle around its mean, the second near the first, 600 steps of training; largest difference of log density across the
# seam, over the second angle:
#   one angle: 0.002 (loss 1.69); two angles: 3.133 (loss 2.36)
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
PI, NEAR = torch.pi, 1e-3


def wrapped(angle):
    return torch.remainder(angle + PI, 2 * PI) - PI


def jump(features, build):
    """Largest difference of a trained flow's log density between the two sides of the first angle's end, and its loss."""
    flow = build(features)
    first = torch.distributions.VonMises(PI, 1.0).sample((20_000,))
    second = first + torch.distributions.VonMises(0.0, 4.0).sample((20_000,))
    angles = wrapped(torch.stack([first, second], dim=-1))[:, :features]
    optimiser = torch.optim.Adam(flow.parameters(), 3e-3)
    for _ in range(600):
        loss = -flow().log_prob(angles[torch.randint(len(angles), (256,))]).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    across = torch.linspace(-3, 3, 61)
    side = [torch.stack([torch.full_like(across, at), across], dim=-1)[:, :features] for at in (PI - NEAR, NEAR - PI)]
    with torch.no_grad():
        return (flow().log_prob(side[0]) - flow().log_prob(side[1])).abs().max().item(), loss.item()


def circular(features):
    return zuko.flows.NCSF(features, transforms=3, hidden_features=(32, 32))


one, two = jump(1, circular), jump(2, circular)
print(f"one angle: {one[0]:.3f} (loss {one[1]:.2f}); two angles: {two[0]:.3f} (loss {two[1]:.2f})")
sys.exit(not (one[0] < 0.02 and two[0] > 0.1))
PYTHON
