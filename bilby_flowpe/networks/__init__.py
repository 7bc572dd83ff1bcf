"""Conditional densities, one family a file; what they are made of (:mod:`.families` and all that it imports) needs torch."""

from __future__ import annotations

from .config import FAMILY_NAMES, NetworkConfig, compact, green2020

__all__ = ["FAMILY_NAMES", "NetworkConfig", "compact", "green2020"]
