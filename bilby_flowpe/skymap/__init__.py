"""Sky maps with distances, as alerts of gravitational waves have them.

:func:`sky_map` makes the map of a result of any of Bilby's samplers, :func:`write_sky_map` and :func:`read_sky_map` write and
read files, and :func:`bilby_flowpe.skymap.picture.plot_sky_map` draws a picture. To understand how a map is made, read first
:mod:`.among` (weighted positions of a run), :mod:`.smooth` (from positions to a density) and :mod:`.map` (the map itself).

To read first: :mod:`.map`, the map and what is read off it; :mod:`.among`, the weighted places of a run; and
:mod:`.smooth`, how places become a density.

To add a file format, write a reader and a writer beside those of :mod:`.fits`.
"""

from .candidates import SkyCandidates
from .fits import read_sky_map, write_sky_map
from .map import SkyMap, divergence, symmetric_divergence
from .of_result import sky_map

__all__ = [
    "SkyCandidates",
    "SkyMap",
    "divergence",
    "read_sky_map",
    "sky_map",
    "symmetric_divergence",
    "write_sky_map",
]
