"""Conditional densities, one family in each file; :mod:`.families` and the modules that it imports need torch."""

from __future__ import annotations

from .config import FAMILY_NAMES, NetworkConfig, compact, green2020

__all__ = ["FAMILY_NAMES", "NetworkConfig", "compact", "green2020"]
