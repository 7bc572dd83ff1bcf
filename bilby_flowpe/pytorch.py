"""PyTorch, which is loaded when a network is first used or trained, or a flow is first fitted.

It takes about a second to load and some 200 MiB of memory; most runs without a network do not need it.
"""

from __future__ import annotations

import sys

from bilby.core.utils import logger

from .storage.interruption import deferred


def load() -> None:
    """Load PyTorch, if it is not loaded yet; signals during that time are deferred.

    A partly loaded PyTorch cannot be loaded again, and may end the process with a segmentation fault.
    """
    if "zuko" in sys.modules:
        return
    if "torch" not in sys.modules:
        logger.info("Loading PyTorch, which takes a few seconds")
    with deferred():
        import torch  # noqa: F401
        import zuko  # noqa: F401, which this package never uses without torch
