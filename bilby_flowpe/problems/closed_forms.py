"""Thirty problems of known evidence and known modes, by name: 1 to 20 dimensions, and one to two dozen modes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from . import discrete, modes, plateaus, ridges, scales
from .conjugate import poisson_counts
from .constrained import constrained_gaussian
from .moded import ModedProblem, of_one_mode
from .toys import correlated_gaussian

NEVER_MET = "widths_100_to_1_2d"
"""Name of the problem with a mode in 1e-6 of a square, which no affordable number of draws from the prior meets."""

CLOSED_FORMS: Mapping[str, Callable[[], ModedProblem]] = {
    "normal_1d": lambda: of_one_mode(correlated_gaussian(1)),
    "normal_10d": lambda: of_one_mode(correlated_gaussian(10)),
    "normal_20d": lambda: of_one_mode(correlated_gaussian(20)),
    "thin_normal_4d": modes.thin_normal,
    "poisson_counts": lambda: of_one_mode(poisson_counts(seed=28)),
    "two_modes_20d": partial(modes.two_modes, 20),
    "modes_90_10_3d": partial(modes.two_modes, 3, 0.9),
    "modes_97_3_8d": partial(modes.two_modes, 8, 0.97),
    "eight_modes_4d": modes.eight_modes,
    "many_modes_2d": modes.many_modes,
    "eggbox_2d": modes.eggs,
    "widths_100_to_1_1d": partial(modes.modes_of_two_widths, 1, 0.001),
    NEVER_MET: partial(modes.modes_of_two_widths, 2, 0.001),
    "widths_10_to_1_3d": partial(modes.modes_of_two_widths, 3, 0.01),
    "spike_on_slab_3d": modes.spike_on_slab,
    "half_normals_6d": partial(modes.half_normals, 6),
    "corner_modes_3d": modes.corner_modes,
    "banana_2d": ridges.bananas,
    "bananas_4d": partial(ridges.bananas, 4),
    "straight_ridge_3d": ridges.straight_ridge,
    "ring_2d": ridges.ring,
    "shells_5d": partial(ridges.shells, 5),
    "plateau_3d": plateaus.plateau,
    "two_plateaus_2d": plateaus.two_plateaus,
    "top_hat_on_slope_2d": plateaus.top_hat_on_slope,
    "scales_3d": scales.scales,
    "heavy_tails_3d": scales.heavy_tails,
    "chosen_mode_3d": discrete.chosen_mode,
    "counted_cycles_2d": discrete.counted_cycles,
    "constrained_2d": lambda: of_one_mode(constrained_gaussian()),
}
"""Functions that make the problems, by a name that says what each is, with its number of parameters."""
