"""An event of one distance, whose posterior and evidence are known by quadrature under any prior."""

from __future__ import annotations

from pathlib import Path

import bilby
import numpy as np
from bilby.core.likelihood import Likelihood
from bilby.core.prior import PowerLaw, Prior, PriorDict, Uniform
from bilby.core.result import Result
from scipy.integrate import quad

from bilby_flowpe.catalogue.event_folder import EventFolder, Job, State

WIDTH = 150.0  # Mpc


class OfDistance(Likelihood):
    """A normal density of the distance about what was measured, and of nothing else."""

    def __init__(self, measured: float) -> None:
        super().__init__()
        self.measured = measured

    def log_likelihood(self, parameters: dict[str, float] | None = None) -> float:
        values = parameters or self.parameters
        return (
            -0.5 * ((values["luminosity_distance"] - self.measured) / WIDTH) ** 2
            - 0.5 * ((values["x"] - 0.4) / 0.1) ** 2
        )


def priors() -> PriorDict:
    distance = PowerLaw(2, 100, 3000, name="luminosity_distance")
    return PriorDict({"luminosity_distance": distance, "x": Uniform(0, 1, name="x")})


def run(measured: float, folder: Path, label: str, given: PriorDict | None = None, n_effective: int = 800) -> Result:
    """A run of the event."""
    return bilby.run_sampler(
        OfDistance(measured), given or priors(), sampler="flowpe", network="none", outdir=str(folder), label=label,
        n_effective=n_effective, n_posterior=2000, sampling_seed=7, progress=False, save="hdf5",
    )  # fmt: skip


def log_evidence(measured: float, distance: Prior) -> float:
    """Return the value by quadrature."""
    near = [measured + WIDTH * step for step in (-5, 0, 5)]

    def inner(value: float) -> float:
        return float(distance.prob(value)) * np.exp(-0.5 * ((value - measured) / WIDTH) ** 2)

    points = [point for point in (*near, *distance_points(distance)) if distance.minimum < point < distance.maximum]
    low, high = max(distance.minimum, 1.0), min(distance.maximum, 5000.0)
    over_x = quad(lambda x: np.exp(-0.5 * ((x - 0.4) / 0.1) ** 2), 0, 1, points=[0.4])[0]
    return float(np.log(quad(inner, low, high, points=points, limit=200)[0] * over_x))


def distance_points(distance: Prior) -> list[float]:
    """Return points at which a narrow prior has its mass."""
    return [float(distance.rescale(quantile)) for quantile in (0.01, 0.5, 0.99)]


def catalogue(folder: Path, measured: dict[str, float]) -> Path:
    """A catalogue of such events, as ``flowpe catalogue`` leaves it."""
    for name, value in measured.items():
        event = EventFolder(folder / "events" / name)
        event.prepare(Job(name, "toy", "", str(folder), {"measured": value}, f"digest of {name}", ""))
        run(value, event.run, name)
        event.save(State(f"digest of {name}", {"analysis": {"result": f"run/{name}_result.hdf5"}, "row": {}}))
    return folder
