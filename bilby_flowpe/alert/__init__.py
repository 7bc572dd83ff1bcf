"""Alerts: a process that stays ready, and makes posterior and sky map from the strain around a trigger within seconds.

To read first: :mod:`.alert`, the process and what it does for one event; :mod:`.problem`, the priors and the
likelihood around a trigger; and :mod:`.inbox`, the watched folder.

To add a product to every event, write it in :meth:`.alert.Alert.analyse` after the sky map, so that it delays
nothing, and add its time to :mod:`.clock`.
"""

from .alert import Alert, Analysed
from .description import EventDescription

__all__ = ["Alert", "Analysed", "EventDescription"]
