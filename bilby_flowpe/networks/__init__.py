"""Conditional densities, one family in each file; :mod:`.families` and the modules that it imports need torch.

To read first: :class:`.base.ConditionalNetwork`, the members of every network; :mod:`.gaussian`, the shortest family;
and :mod:`.config`, sizes and choices. To add a family, derive a class from :class:`.base.ConditionalNetwork` (or from
:class:`.latent.LatentNetwork` if it has latent variables), and add its name to ``FAMILY_NAMES`` in :mod:`.config`, to
:data:`.families.FAMILIES`, and to the argument ``network`` in :mod:`bilby_flowpe.arguments.table`:
``tests/networks/test_networks.py`` then tests it like all others.
"""

from __future__ import annotations

from .config import FAMILY_NAMES, NetworkConfig, compact, green2020

__all__ = ["FAMILY_NAMES", "NetworkConfig", "compact", "green2020"]
