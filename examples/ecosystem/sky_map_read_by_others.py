"""A sky map of flowpe's result, read by the tools of ligo.skymap, with areas and distances that are known in closed form.

The likelihood is similar to what a galaxy catalogue might give: the source's direction has a Fisher density around a sky
position, and its distance a normal density, times the prior's square of the distance. So the area of every credible region,
the searched probability of every position, and the distance are known. flowpe runs with it as with any likelihood, and its
map is written to a FITS file as in alerts. ligo.skymap reads the file, and its areas, probabilities and moments of the
distance are compared with the closed form.

To run it if the package is installed: ``python examples/ecosystem/sky_map_read_by_others.py``. To run it in a separate
environment, which is made for it: ``python tests/ecosystem/run.py sky_map_read_by_others``.
"""

import time
from pathlib import Path

import bilby
import numpy as np
from astropy import units
from astropy.coordinates import SkyCoord
from differences import Comparison, Difference, evidence, keep
from ligo.skymap.distance import parameters_to_marginal_moments
from ligo.skymap.io.fits import read_sky_map
from ligo.skymap.moc import uniq2pixarea
from ligo.skymap.postprocess.crossmatch import crossmatch
from scipy.integrate import quad

from bilby_flowpe.skymap import sky_map, write_sky_map

OUTDIR = Path("outdir/sky_map_read_by_others")
RA, DEC = 3.446, -0.408
CONCENTRATION = 400.0
"""Concentration of the Fisher density: a radius of some 3 degrees, 90% of the probability in 119 square degrees."""
DISTANCE, WIDTH = 400.0, 60.0
"""Mean and width in Mpc of the normal factor of the likelihood."""
RANGE = (100.0, 800.0)
"""Ends of the prior of the distance in Mpc, at least five widths from the mean."""


class Direction(bilby.Likelihood):
    """Likelihood with a Fisher density of the direction and a normal density of the distance."""

    def log_likelihood(self, parameters):
        ra, dec = parameters["ra"], parameters["dec"]
        cosine = np.sin(dec) * np.sin(DEC) + np.cos(dec) * np.cos(DEC) * np.cos(ra - RA)
        return CONCENTRATION * (cosine - 1) - (parameters["luminosity_distance"] - DISTANCE) ** 2 / (2 * WIDTH**2)


priors = bilby.core.prior.PriorDict(
    {
        "ra": bilby.core.prior.Uniform(0, 2 * np.pi, "ra", boundary="periodic"),
        "dec": bilby.core.prior.Cosine(name="dec"),
        "luminosity_distance": bilby.core.prior.PowerLaw(2, *RANGE, name="luminosity_distance"),
    }
)
began = time.process_time()
result = bilby.run_sampler(
    Direction(),
    priors,
    sampler="flowpe",
    outdir=str(OUTDIR),
    label="direction",
    n_effective=20000,
    n_posterior=20000,
    sampling_seed=1,
    progress=False,
    clean=True,
)
seconds = time.process_time() - began


# The closed form: a share p of a Fisher density lies where 1 - cos(angle) < -ln(1 - p) / concentration.
def normal(distance):
    return np.exp(-((distance - DISTANCE) ** 2) / (2 * WIDTH**2))


moments = [quad(lambda d, power=power: d**power * normal(d), *RANGE)[0] for power in (2, 3, 4)]
log_evidence = np.log(3 * moments[0] / (RANGE[1] ** 3 - RANGE[0] ** 3)) - np.log(2 * CONCENTRATION)
mean = moments[1] / moments[0]
spread = np.sqrt(moments[2] / moments[0] - mean**2)
square_degrees = np.degrees(1) ** 2
areas = {share: -2 * np.pi * np.log(1 - share) / CONCENTRATION * square_degrees for share in (0.5, 0.9)}
ANGLE = 0.08
"""Radius in radians of a circle of sky positions around the mean: 72% of the probability is inside."""
searched = 1 - np.exp(-CONCENTRATION * (1 - np.cos(ANGLE)))

file = write_sky_map(sky_map(result), OUTDIR / "direction.fits")
table = read_sky_map(file, moc=True)
middle = SkyCoord(RA, DEC, unit="rad")
circle = middle.directional_offset_by(np.linspace(0, 350, 36) * units.deg, ANGLE * units.rad)
theirs = crossmatch(table, circle, contours=tuple(areas))
probability = np.asarray(table["PROBDENSITY"]) * uniq2pixarea(np.asarray(table["UNIQ"]))
known = np.isfinite(np.asarray(table["DISTMU"]))  # far from every draw no distance is known
columns = [np.asarray(table[name])[known] for name in ("DISTMU", "DISTSIGMA")]
distance, deviation = parameters_to_marginal_moments(probability[known] / probability[known].sum(), *columns)

rows = len(result.posterior)
differences = [evidence(result, float(log_evidence))]
for (share, area), read in zip(areas.items(), theirs.contour_areas, strict=True):
    # By how much the area that holds the share of so many random rows scatters.
    relative = np.sqrt(share / (1 - share) / rows) / -np.log(1 - share)
    differences.append(Difference(f"area of {share:.0%} in square degrees", read, relative * area, area))
differences += [
    Difference(
        "searched probability 4.6 degrees from the middle",
        float(np.mean(theirs.searched_prob)),
        float(np.std(theirs.searched_prob) / np.sqrt(len(circle))),
        float(searched),
    ),
    Difference("mean of the distance in Mpc", float(distance), spread / np.sqrt(rows), mean),
    Difference("standard deviation of the distance", float(deviation), spread / np.sqrt(2 * rows), spread),
]
keep(
    Comparison(
        package="ligo.skymap",
        run="a map of flowpe's result in a FITS file; areas, searched probabilities and distances by ligo.skymap",
        reference="closed form",
        differences=differences,
        figures={"CPU seconds, flowpe": seconds, "evaluations, flowpe": float(result.num_likelihood_evaluations)},
    ),
    __file__,
)
