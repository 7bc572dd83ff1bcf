r"""Alignment by matched filter.

Each detector's whitened data are filtered with a handful of templates over the times that the prior allows. The best time
:math:`\hat t` and angle :math:`\hat\phi` are functions of the data alone, so :math:`p(x|y) = p(x\,|\,y_{\rm aligned}, \hat
t, \hat\phi)` holds exactly, and the network no longer has to find the signal.

Several detectors share one pivot: the template and the time at the first detector that maximise the sum of the squared
signal-to-noise ratios, each other detector taking its own best time within the light-travel time.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from ..errors import NotFittedError
from ..waves.grid import Grid
from ..waves.shifts import time_shift
from .pivot import Pivot

_CANDIDATES = 384  # signals among which templates are chosen: more take longer, and a handful is chosen
_POWER_KEPT = 0.99  # fraction of the signals' power at the frequencies that the search uses; fewer of these are faster
_PADDING = 0.01  # seconds that are searched beyond the times that the prior allows, so that noise may shift a maximum
_MATCH_SPAN = 0.012  # seconds by which two templates may be shifted against each other for their overlap


class Aligner(nn.Module):
    """Finds the pivot, and shifts and rotates every detector's signal to time zero and angle zero.

    Parameters
    ----------
    grid
        Frequencies of the data.
    detectors
        Number of detectors, D.
    templates
        Number of templates, K.
    times
        Number of times searched, T.
    kept
        Number of frequencies that the search uses, lowest first.
    """

    templates: torch.Tensor
    times: torch.Tensor
    reach: torch.Tensor
    fitted: torch.Tensor

    def __init__(self, grid: Grid, detectors: int, templates: int, times: int, kept: int) -> None:
        super().__init__()
        self.grid = grid
        self.register_buffer("templates", torch.zeros(templates, detectors, len(grid), dtype=torch.complex64))
        self.register_buffer("times", torch.zeros(times, dtype=torch.float64))
        self.register_buffer("reach", torch.zeros(detectors, dtype=torch.int64))
        self.register_buffer("fitted", torch.tensor(False))
        self.kept = kept
        self._filters: torch.Tensor | None = None
        self.register_load_state_dict_post_hook(_forget_filters)  # type: ignore[no-untyped-call]  # torch's, without hints

    @property
    def features(self) -> int:
        """Number of features: each detector's log signal-to-noise ratio, the pivot's time, relative times and angles."""
        detectors = self.templates.shape[1]
        return detectors + 1 + 3 * (detectors - 1)

    @classmethod
    def fit(
        cls, grid: Grid, signals: torch.Tensor, arrival: np.ndarray, window: tuple[float, float], reach: tuple[float, ...],
        templates: int,
    ) -> Aligner:  # fmt: skip
        """Choose templates among signals, and make the aligner.

        Parameters
        ----------
        grid
            Frequencies of the data.
        signals
            Noise-free whitened signals, (N, D, F).
        arrival
            Their arrival times in seconds from the start of the grid, (N, D).
        window
            Earliest and latest arrival that the prior allows, in seconds from the start of the grid.
        reach
            Light-travel time from the first detector to each, in seconds.
        templates
            Number of templates to choose.
        """
        centred = signals[:_CANDIDATES] * time_shift(grid, -arrival[:_CANDIDATES])
        centred = centred / torch.linalg.vector_norm(centred, dim=-1, keepdim=True).clamp_min(1e-30)
        power = (centred.abs() ** 2).mean(dim=(0, 1)).cumsum(0)
        kept = min(int(torch.searchsorted(power, _POWER_KEPT * power[-1])) + 1, len(grid))
        # Two samples a cycle of the highest frequency kept: |z|^2 is then smooth enough for a parabola.
        step = 0.5 / float(grid.frequencies[kept - 1])
        times = torch.arange(window[0] - _PADDING, window[1] + _PADDING + step, step, dtype=torch.float64)
        chosen = _spread_out(grid, centred[:, 0], templates, step)
        aligner = cls(grid, signals.shape[1], len(chosen), len(times), kept)
        aligner.templates.copy_(centred[chosen])
        aligner.times.copy_(times)
        aligner.reach.copy_(torch.as_tensor([int(np.ceil(delay / step)) + 1 if delay else 0 for delay in reach]))
        aligner.fitted.fill_(True)
        return aligner

    def forward(self, data: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, Pivot]:
        """Return aligned data (N, D, F), features (N, C) and the pivot of whitened data (N, D, F)."""
        if not self.fitted:
            raise NotFittedError("the aligner has no templates yet: fit the representation, or load a trained model")
        template, time = self._search(data)
        shifted = data * time_shift(self.grid, -time)
        response = self._response(template, shifted)
        angle, snr = response.angle(), response.abs()
        aligned = _turn(shifted, angle)
        relative_time = time[:, 1:] - time[:, :1]
        relative_angle = angle[:, 1:] - angle[:, :1]
        centre, half = (self.times[0] + self.times[-1]) / 2, (self.times[-1] - self.times[0]) / 2
        columns = [
            snr.clamp_min(1e-6).log(),
            (time[:, :1] - centre) / half,
            relative_time * 100,
            relative_angle.cos(),
            relative_angle.sin(),
        ]
        features = torch.cat([column.to(torch.float32) for column in columns], dim=-1)
        return aligned, features, Pivot(time[:, 0], angle[:, 0].double())

    def locate(self, data: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the angle and the time found in each detector, (N, D) each, for whitened data (N, D, F)."""
        template, time = self._search(data)
        return self._response(template, data * time_shift(self.grid, -time)).angle(), time

    def squared_snr(self, data: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Return the squared signal-to-noise ratio of the best template in each detector, (N, D).

        Parameters
        ----------
        data
            Whitened data times the square root of ``weight``, (N, D, F).
        weight
            Weights of the templates' power, (N, D, F).
        """
        template, time = self._search(data)
        response = self._response(template, data * time_shift(self.grid, -time))
        power = self.templates[template].abs().square()
        return response.abs().square() / (power * weight).sum(dim=-1).clamp_min(1e-30)

    def align(self, data: torch.Tensor, angle: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """Return ``data`` shifted back by ``time`` and rotated back by ``angle``."""
        return _turn(data * time_shift(self.grid, -time), angle)

    def _response(self, template: torch.Tensor, shifted: torch.Tensor) -> torch.Tensor:
        """Return the complex signal-to-noise ratio at time zero, (N, D)."""
        return torch.linalg.vecdot(self.templates[template], shifted)

    def _search(self, data: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Search for the best template (N,) and its interpolated time in each detector (N, D)."""
        power = self._matched_filter_power(data)
        size, _, detectors, times = power.shape
        total = power[:, :, 0]
        for other in range(1, detectors):
            reach = int(self.reach[other])
            total = total + nn.functional.max_pool1d(power[:, :, other], 2 * reach + 1, stride=1, padding=reach)
        # NumPy's argmax takes a tenth of the time of torch's.
        best = torch.from_numpy(total.flatten(1).numpy().argmax(axis=1))
        template, pivot = best // times, best % times
        rows = torch.arange(size)
        power = power[rows, template]
        found = [pivot]
        for other in range(1, detectors):
            far = (torch.arange(times) - pivot[:, None]).abs() > int(self.reach[other])
            found.append(power[:, other].masked_fill(far, -1.0).argmax(dim=1))
        return template, self._interpolate(power, torch.stack(found, dim=1))

    def _matched_filter_power(self, data: torch.Tensor) -> torch.Tensor:
        """Return the squared signal-to-noise ratio of each template and time, (N, K, D, T)."""
        if self._filters is None:
            self._filters = self._real_filters()
        size, templates, times = len(data), len(self.templates), len(self.times)
        power = torch.empty(size, templates, data.shape[1], times)
        for detector, filters in enumerate(self._filters):
            numbers = torch.view_as_real(data[:, detector, : self.kept].contiguous()).flatten(1)
            real, imaginary = (numbers @ filters).square_().view(size, 2, templates, times).unbind(1)
            torch.add(real, imaginary, out=power[:, :, detector])
        return power

    def _real_filters(self) -> torch.Tensor:
        """Return the matrix from real and imaginary parts of data to those of the filter outputs, (D, 2 F, 2 K T).

        A product of real matrices takes half the time of one of complex matrices.
        """
        frequencies = torch.as_tensor(self.grid.frequencies[: self.kept])
        turn = 2 * torch.pi * frequencies[:, None] * self.times
        wheel = torch.polar(torch.ones_like(turn), turn).to(torch.complex64)
        conjugate = self.templates[..., : self.kept, None] * wheel.conj()
        parts = torch.stack([torch.view_as_real(conjugate), torch.view_as_real(1j * conjugate)])
        # From part, template, detector, frequency, time, number to detector, frequency, number, part, template, time.
        return parts.permute(2, 3, 5, 0, 1, 4).flatten(3, 5).flatten(1, 2).contiguous()

    def _interpolate(self, power: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """Return the time of the maximum of the parabola through the logarithm at three samples, (N, D), in seconds."""
        inner = index.clamp(1, power.shape[-1] - 2)
        low, mid, high = (
            power.gather(-1, (inner + step)[..., None])[..., 0].double().clamp_min(1e-30).log() for step in (-1, 0, 1)
        )
        curvature = (low - 2 * mid + high).clamp_max(-1e-9)
        offset = (0.5 * (low - high) / curvature).clamp(-1.0, 1.0)
        return self.times[inner] + offset * (self.times[1] - self.times[0])


def _forget_filters(aligner: Aligner, _: object) -> None:
    """Discard filters that were computed from older templates, once others have been loaded."""
    aligner._filters = None


def _turn(data: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
    return data * torch.polar(torch.ones_like(angle), -angle)[..., None].to(data.dtype)


def _spread_out(grid: Grid, signals: torch.Tensor, count: int, step: float) -> list[int]:
    """Choose indices of signals such that no other is far from all of them, by a greedy search.

    The distance is one minus the overlap, maximised over time and angle.
    """
    reach = int(np.ceil(_MATCH_SPAN / step))
    delays = torch.arange(-reach, reach + 1, dtype=torch.float64) * step
    wheels = time_shift(grid, -delays)

    def match(index: int) -> torch.Tensor:
        return (signals @ (signals[index].conj() * wheels).T).abs().max(dim=-1).values

    typical = signals.mean(dim=0)
    chosen = [int((signals @ typical.conj()).abs().argmax())]
    nearest = match(chosen[0])
    while len(chosen) < min(count, len(signals)):
        chosen.append(int(nearest.index_fill(0, torch.tensor(chosen), torch.inf).argmin()))
        nearest = torch.maximum(nearest, match(chosen[-1]))
    return chosen
