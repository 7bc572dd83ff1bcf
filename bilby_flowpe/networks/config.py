"""Sizes and choices of a network, with two presets: the paper's networks, and smaller ones for a CPU."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ..errors import ConfigurationError

FAMILY_NAMES = ("cvae", "cvae+", "gaussian", "maf", "nsf")
"""Names of the families, which are defined in :mod:`.families`."""


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes and choices of a network; each family reads those that it needs.

    Attributes
    ----------
    family
        ``"gaussian"``, ``"maf"``, ``"nsf"``, ``"cvae"`` or ``"cvae+"``.
    transforms
        Number of autoregressive transforms (MADE units); for ``"cvae+"``, in each of its three flows.
    hidden_features
        Widths of the hidden layers of each transform.
    embedding_features
        Width of the embedding network's residual stream, and of the context that it gives to the other parts; ``None``
        means no embedding network, so that every part reads the data directly.
    embedding_blocks
        Number of residual blocks of the embedding network.
    bins
        Number of bins of the splines (only ``"nsf"``).
    gaussian_features
        Widths of the hidden layers of each network that returns the moments of a Gaussian (``"gaussian"``, ``"cvae"``,
        ``"cvae+"``).
    latent
        Dimension of the latent space (``"cvae"``, ``"cvae+"``).
    encoder_context
        Dimension of h, which the Gaussian encoder returns for the encoder's flow (``"cvae+"``).
    batch_norm
        Whether flows have batch normalisation between their transforms and before the base.
    encoder_flow, prior_flow
        Whether encoder and prior have a flow after their Gaussian (``"cvae+"``; the paper's ablations).
    encoder_flow_sees_data
        Whether the encoder's flow is conditioned on the data, in addition to x and h (``"cvae+"``).
    freeze_prior
        Whether the Gaussian of the prior keeps its initial weights (``"cvae+"``).
    """

    family: str = "maf"
    transforms: int = 6
    hidden_features: tuple[int, ...] = (256, 256)
    embedding_features: int | None = 256
    embedding_blocks: int = 2
    bins: int = 8
    gaussian_features: tuple[int, ...] = (256, 256)
    latent: int = 8
    encoder_context: int = 8
    batch_norm: bool = False
    encoder_flow: bool = True
    prior_flow: bool = True
    encoder_flow_sees_data: bool = False
    freeze_prior: bool = False

    def __post_init__(self) -> None:
        sizes = {
            "transforms": self.transforms,
            "bins": self.bins,
            "latent": self.latent,
            "encoder_context": self.encoder_context,
        }
        if self.embedding_features is not None:
            sizes["embedding_features"] = self.embedding_features
        for name in ("hidden_features", "gaussian_features"):
            widths = getattr(self, name)
            if not widths:
                raise ConfigurationError(f"{name}=(): give at least one hidden layer")
            sizes |= {f"{name}[{i}]": width for i, width in enumerate(widths)}
        for name, value in sizes.items():
            if not isinstance(value, int) or value < 1:
                raise ConfigurationError(f"{name}={value!r}: give a whole number of at least 1")
        if self.embedding_blocks < 0:
            raise ConfigurationError(f"embedding_blocks={self.embedding_blocks!r}: give 0 or more")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NetworkConfig:
        """Make a configuration from the values of :meth:`to_dict`; fields missing in older files take their defaults."""
        sequences = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
        return cls(**{**values, **sequences})


def compact(family: str = "maf") -> NetworkConfig:
    """Return sizes for a CPU: one embedding network for all parts, and three transforms in each flow of CVAE+."""
    return NetworkConfig(family=family, transforms=3 if family == "cvae+" else 6)


def green2020(family: str, parameters: int = 5) -> NetworkConfig:
    """Return the sizes of the paper, sections III B and IV, without an embedding network.

    Parameters
    ----------
    family
        As in :class:`NetworkConfig`. The paper gives no sizes for the Gaussian baseline, which takes those of a part of
        the CVAE, nor for ``"nsf"``, which takes those of the MAF.
    parameters
        Number of parameters of the problem: 5 or 8. For 8, the paper doubles latent space, transforms and encoder
        context, and freezes the Gaussian of the prior; it trained CVAE+ only.

    Raises
    ------
    ConfigurationError
        If the paper has no problem with this number of parameters.
    """
    if parameters not in (5, 8):
        raise ConfigurationError(
            f"parameters={parameters!r}: the paper has problems with 5 or 8 parameters, give one of these"
        )
    large = parameters == 8
    return NetworkConfig(
        family=family,
        transforms=10 if large else 5,
        hidden_features=(512,) * 3,
        embedding_features=None,
        gaussian_features=(1024 if family == "cvae+" else 2048,) * 3,
        latent=16 if large else 8,
        encoder_context=16 if large else 8,
        batch_norm=True,
        freeze_prior=large and family == "cvae+",
    )
