"""Alerts: a process that stays warm, and turns the strain around a trigger into a posterior and a sky map within seconds."""

from .alert import Alert, Analysed
from .description import EventDescription

__all__ = ["Alert", "Analysed", "EventDescription"]
