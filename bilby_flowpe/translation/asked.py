"""The user's problem: Bilby's own objects, before it is known in which form it can be sampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bilby.core.prior import Constraint, DeltaFunction, Prior, PriorDict

from ..errors import PriorError
from ..kinds import problem_of
from ..kinds.recognise import is_calibrated
from ..names import TIME, TIME_JITTER
from ..priors import copied
from ..problem import Problem


@dataclass(frozen=True)
class Asked:
    """A likelihood and priors as the user gave them; the priors need not have one-dimensional quantiles.

    Attributes
    ----------
    likelihood, priors
        The user's likelihood and priors.
    """

    likelihood: Any
    priors: PriorDict

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the sampled parameters."""
        return tuple(
            key
            for key, prior in self.priors.items()
            if isinstance(prior, Prior) and not isinstance(prior, Constraint | DeltaFunction)
        )

    @property
    def fixed(self) -> dict[str, float]:
        """Values of the fixed parameters."""
        return {key: float(prior.peak) for key, prior in self.priors.items() if isinstance(prior, DeltaFunction)}

    @property
    def calibration_keys(self) -> Sequence[str]:
        """Names of the calibration parameters of a gravitational-wave likelihood."""
        calibrated = (ifo for ifo in self.likelihood.interferometers if is_calibrated(ifo))
        prefixes = tuple(ifo.calibration_model.prefix for ifo in calibrated)
        return [key for key in self.priors if prefixes and key.startswith(prefixes)]

    def problem(self) -> Problem:
        """Make a problem of these objects without any translation.

        Raises
        ------
        PriorError
            If the priors cannot be sampled in this form.
        """
        return problem_of(self.likelihood, self.priors)

    def with_dropped(self, dropped: Sequence[str]) -> PriorDict:
        """Return the priors together with those of the parameters that the likelihood integrates out.

        Raises
        ------
        PriorError
            If the likelihood has no prior of one of these.
        """
        likelihood, plain = self.likelihood, copied(self.priors)
        for key in dropped:
            prior = likelihood.priors.get(key) if likelihood.priors is not None else None
            if not isinstance(prior, Prior) or isinstance(prior, DeltaFunction):
                raise PriorError(
                    f"the likelihood is marginalised over {key!r} but has no prior of it ({prior!r}): pass the priors to "
                    "the likelihood when you make it"
                )
            plain[key] = prior
        if TIME in dropped:
            plain.pop(TIME_JITTER, None)
        return plain
