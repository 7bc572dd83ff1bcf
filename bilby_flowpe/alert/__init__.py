"""Alerts: a process that stays ready, and makes posterior and sky map from the strain around a trigger within seconds."""

from .alert import Alert, Analysed
from .description import EventDescription

__all__ = ["Alert", "Analysed", "EventDescription"]
