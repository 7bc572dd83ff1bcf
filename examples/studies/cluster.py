"""Compare waveforms from a dask cluster with those from one process: every byte is the same, even if a worker is killed.

    python examples/studies/cluster.py --waveforms 20000

It uses the five-parameter problem. A cluster of two processes is started, and one of them is killed in the second round.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import threading
import time

from bilby.core.utils import logger

from bilby_flowpe.kinds import problem_of
from bilby_flowpe.problem import SimulationConfig
from bilby_flowpe.problems import green2020
from bilby_flowpe.processes.cluster import dask_engine
from bilby_flowpe.processes.parallel import Engine


def simulated(waveforms: int, npool: int | Engine) -> tuple[str, float]:
    """SHA-256 of the stored waveforms, and the seconds that they took."""
    likelihood, priors = green2020(5)[:2]
    began = time.perf_counter()
    bank = problem_of(likelihood, priors).bank(SimulationConfig(n_waveforms=waveforms), npool, seed=1, progress=False)
    return hashlib.sha256(bank.stored.waveforms.numpy().tobytes()).hexdigest(), time.perf_counter() - began


def main() -> None:
    """Print the digests."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waveforms", type=int, default=20_000)
    arguments = parser.parse_args()
    logger.setLevel("ERROR")
    alone, seconds = simulated(arguments.waveforms, 1)
    print(f"one process           {alone[:16]}  {seconds:6.1f} s")
    with dask_engine(None, 2) as engine:
        shared, took = simulated(arguments.waveforms, engine)
        print(f"two dask workers      {shared[:16]}  {took:6.1f} s")
        victim = next(iter(engine.run(os.getpid).values()))
        threading.Timer(0.4 * took, os.kill, (victim, signal.SIGKILL)).start()
        killed, took = simulated(arguments.waveforms, engine)
        print(f"one of them killed    {killed[:16]}  {took:6.1f} s")
    print("the same bytes" if alone == shared == killed else "NOT the same bytes")


if __name__ == "__main__":
    main()
