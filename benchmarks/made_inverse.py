"""Time the inversion of MADE stacks of the paper's sizes, and whole draws, by full passes for each column and level by level.

    python benchmarks/made_inverse.py --rows 50000

Times are processor seconds of all threads, so that other jobs on the machine do not count. Full passes are timed on fewer rows,
because their time is proportional to the number of rows.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch

from bilby_flowpe.networks import compact, green2020
from bilby_flowpe.networks.families import build_network
from bilby_flowpe.networks.made import AutoregressiveStack, BatchNorm, spline

SERIES = 1024
WIDE = (512,) * 3
CASES = {
    "MAF, 5-D: n = 5, 5 units": dict(features=5, rows=0, shared=SERIES, transforms=5, hidden_features=WIDE),
    "CVAE+ prior, 5-D: n = 8, 5 units": dict(features=8, rows=0, shared=SERIES, transforms=5, hidden_features=WIDE),
    "CVAE+ decoder, 5-D: n = 5, z of 8": dict(features=5, rows=8, shared=SERIES, transforms=5, hidden_features=WIDE),
    "CVAE+ prior, 8-D: n = 16, 10 units": dict(features=16, rows=0, shared=SERIES, transforms=10, hidden_features=WIDE),
    "CVAE+ decoder, 8-D: n = 8, z of 16": dict(features=8, rows=16, shared=SERIES, transforms=10, hidden_features=WIDE),
    "compact MAF: n = 7, 6 units": dict(features=7, rows=0, shared=256, transforms=6, hidden_features=(256, 256)),
    "compact NSF: n = 7, 6 units": dict(
        features=7, rows=0, shared=256, transforms=6, hidden_features=(256, 256), **spline(8)
    ),
}  # fmt: skip
NETWORKS = {
    "draws of MAF, 5-D": (5, SERIES, green2020("maf")),
    "draws of CVAE+, 5-D": (5, SERIES, green2020("cvae+")),
    "draws of CVAE+, 8-D": (8, SERIES, green2020("cvae+", 8)),
    "draws of compact CVAE+, 7-D": (7, 128, compact("cvae+")),
}


def seconds(call: Callable[[], torch.Tensor]) -> tuple[float, torch.Tensor]:
    began = time.process_time()
    result = call()
    return time.process_time() - began, result


def whole_passes(
    stack: AutoregressiveStack, y: torch.Tensor, rows: torch.Tensor | None, shared: torch.Tensor
) -> torch.Tensor:
    """Invert every unit by the method of zuko, with full passes."""
    context = shared.expand(len(y), -1) if rows is None else torch.cat([rows, shared.expand(len(y), -1)], dim=-1)
    for layer in reversed(list(stack._layers())):
        y = layer.invert(y.T).T if isinstance(layer, BatchNorm) else layer(context).inv(y)
    return y


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--rows-whole", type=int, default=2_000, help="number of rows for the timing of full passes")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    few = slice(arguments.rows_whole)
    print(f"processor seconds for {arguments.rows} rows, {arguments.threads} thread(s)")
    print(f"{'':38s}{'full passes':>14s}{'by level':>10s}{'ratio':>7s}{'difference':>12s}")
    with torch.no_grad():
        for name, options in CASES.items():
            stack = AutoregressiveStack(**options, batch_norm=True).eval()
            y, shared = torch.randn(arguments.rows, options["features"]), torch.randn(1, options["shared"])
            rows = torch.randn(arguments.rows, options["rows"]) if options["rows"] else None
            piece = None if rows is None else rows[few]
            whole_passes(stack, y[few], piece, shared)
            slow, expected = seconds(lambda: whole_passes(stack, y[few], piece, shared))  # noqa: B023
            slow *= arguments.rows / arguments.rows_whole
            fast, found = seconds(lambda: stack.invert(y, rows, shared))  # noqa: B023
            error = float((found[few] - expected).abs().max())
            print(f"{name:38s}{slow:14.2f}{fast:10.2f}{slow / fast:7.1f}{error:12.1e}")
    for name, (features, context, config) in NETWORKS.items():
        network = build_network(features, context, config).eval()
        base, data = torch.randn(arguments.rows, features + network.latent), torch.randn(1, context)
        fast, found = seconds(lambda: network.from_base(base, data))  # noqa: B023
        for stack in (module for module in network.modules() if isinstance(module, AutoregressiveStack)):
            stack.invert = partial(whole_passes, stack)
        slow, expected = seconds(lambda: network.from_base(base[few], data))  # noqa: B023
        slow *= arguments.rows / arguments.rows_whole
        error = float((found[few] - expected).abs().max())
        print(f"{name:38s}{slow:14.2f}{fast:10.2f}{slow / fast:7.1f}{error:12.1e}")


if __name__ == "__main__":
    main()
