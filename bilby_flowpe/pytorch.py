"""PyTorch, loaded where a network is first bound to data or trained, or a flow first fitted.

It takes about a second to load and some 200 MiB of memory; most runs without a network do without.
"""

from __future__ import annotations

import sys

from bilby.core.utils import logger

from .storage.interruption import deferred


def load() -> None:
    """Load it, if it is not yet; a signal that comes meanwhile waits.

    What was left half loaded cannot be loaded again, and may end the process with a segmentation fault.
    """
    if "zuko" in sys.modules:
        return
    if "torch" not in sys.modules:
        logger.info("Loading PyTorch, which takes a few seconds")
    with deferred():
        import torch  # noqa: F401
        import zuko  # noqa: F401, which this package never uses without the other
