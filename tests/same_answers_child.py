"""Part of ``tests/same_answers.py`` that solves problems with the installed package and writes every number to files.

    PYTHONPATH=<tree> python tests/same_answers_child.py <tree> <folder> NAME ...

Each problem runs in a process of its own, forked from one that has loaded the package, so that a failure loses nothing else.
Nothing here may use what only one of the two trees has. Written is one file a problem: ``NAME.npz``.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterable
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import bilby
import numpy as np
import torch
from bilby.core import sampler as bilby_sampler
from bilby.core.result import Result
from same_answers_arrays import ARRAYS
from same_answers_plain import PLAIN, SMALLER, shrink
from same_answers_waves import WAVES

WORDS, FIGURES = "words", "figures"
LEFT_OUT = ("seconds", "training_seconds", "model", "versions", "reweighted_from")
"""Entries of ``run_statistics`` that name folders or say how long something took."""


class Recorder:
    """Recorder of all batches of log weights, in the order in which the package first summarises them."""

    def __init__(self) -> None:
        self.batches: list[np.ndarray] = []
        self.rows: list[np.ndarray] = []
        self._seen: set[bytes] = set()

    def note(self, log_weights: Any, parts: Any = None) -> None:
        """Keep a batch, unless the same one was there before: how often a batch is summarised may change."""
        for array in (np.array(log_weights), None if parts is None else np.array(parts)):
            if array is None:
                continue
            digest = hashlib.sha256(array.tobytes() + str(array.dtype).encode()).digest()
            if digest not in self._seen:
                self._seen.add(digest)
                self.batches.append(array)

    def install(self) -> None:
        """Put recording functions in the place of two of ``bilby_flowpe.importance``, before any other module takes them."""
        if any(name.startswith("bilby_flowpe.") for name in sys.modules):
            raise RuntimeError("the package is loaded already: its modules hold functions that record nothing")
        from bilby_flowpe import importance

        summarise, equal_weight_rows = importance.summarise, importance.equal_weight_rows

        def recorded_summary(log_weights: Any, parts: Any = None) -> Any:
            self.note(log_weights, parts)
            return summarise(log_weights, parts)

        def recorded_rows(log_weights: Any, most: int, rng: np.random.Generator) -> Any:
            self.note(log_weights)
            rows, available = equal_weight_rows(log_weights, most, rng)
            self.rows.append(np.append(rows, available))
            return rows, available

        importance.summarise, importance.equal_weight_rows = recorded_summary, recorded_rows


def load_package(tree: Path) -> None:
    """Import the package from ``tree`` and shrink the defaults of its trainings."""
    import bilby_flowpe.reweighting
    import bilby_flowpe.run
    import bilby_flowpe.sampler

    found = Path(bilby_flowpe.sampler.__file__).resolve()
    if tree.resolve() not in found.parents:
        raise RuntimeError(f"the package was found in {found}, not in {tree}")
    shrink(SMALLER)


def numbers_of(result: Result) -> dict[str, np.ndarray]:
    """Tables and figures of a result."""
    found = {
        f"result/{key}": np.asarray(getattr(result, key), dtype=np.float64)
        for key in (
            "log_evidence",
            "log_evidence_err",
            "log_bayes_factor",
            "log_noise_evidence",
            "num_likelihood_evaluations",
        )
    }
    for name in ("_nested_samples", "posterior"):
        table = getattr(result, name, None)
        if table is not None:
            found |= {f"{name.strip('_')}/{key}": table[key].to_numpy() for key in table}
    return found


def flat(value: Any, name: str) -> Iterable[tuple[str, Any]]:
    """Leaves of nested dictionaries and lists, with their paths."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in LEFT_OUT:
                yield from flat(item, f"{name}/{key}")
    elif isinstance(value, list | tuple) and not all(isinstance(item, str) for item in value):
        for index, item in enumerate(value):
            yield from flat(item, f"{name}/{index}")
    else:
        yield name, value


def described(result: Any, label: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Numbers, and words, of what a problem came to: a result of Bilby's, or a dictionary."""
    if isinstance(result, Result):
        arrays = {f"{label}/{key}": value for key, value in numbers_of(result).items()}
        leaves = dict(flat((result.meta_data or {}).get("run_statistics", {}), f"{label}/run_statistics"))
    else:
        arrays, leaves = {}, dict(flat(result, label))
    words: dict[str, Any] = {}
    for key, value in leaves.items():
        if isinstance(value, str | list | tuple) or value is None:
            words[key] = value
        else:
            arrays[key] = np.asarray(value)
    return arrays, words


def trained_weights(folder: Path) -> dict[str, str]:
    """Digests of the networks that were trained on the way, in order of name."""
    files = sorted(folder.rglob("weights.safetensors"))
    return {f"trained/{index}": hashlib.sha256(file.read_bytes()).hexdigest() for index, file in enumerate(files)}


def definitions() -> str:
    """Digest of the list of problems."""
    files = [Path(__file__).with_name(f"same_answers_{part}.py").read_bytes() for part in ("arrays", "plain", "waves")]
    return hashlib.sha256(b"".join(files)).hexdigest()


def solve(name: str, out: Path) -> None:
    """Make a problem, solve it, and write its file."""
    recorder = RECORDER
    began = time.process_time()
    bilby.core.utils.random.seed(1)
    np.random.seed(1)  # noqa: NPY002  # what draws from the global generator is to draw the same
    torch.manual_seed(1)
    arrays: dict[str, np.ndarray] = {}
    words: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["BILBY_FLOWPE_CACHE"] = str(Path(scratch) / "models")
        os.chdir(scratch)
        try:
            for label, result in (PLAIN | WAVES | ARRAYS)[name](Path(scratch)):
                more, said = described(result, label)
                arrays |= more
                words |= said
        except BaseException as error:  # an exit, too: all of it is written down
            words["error"] = f"{type(error).__name__}: {error}"
            words["traceback"] = traceback.format_exc()
        words |= trained_weights(Path(scratch))
    arrays |= {f"batch/{index:03d}": batch for index, batch in enumerate(recorder.batches)}
    arrays |= {f"rows/{index:03d}": rows for index, rows in enumerate(recorder.rows)}
    words["definitions"] = definitions()
    words["cpu_seconds"] = time.process_time() - began
    partial = out.with_suffix(".part.npz")
    np.savez_compressed(partial, **{WORDS: np.array(json.dumps(words))}, **arrays)
    partial.rename(out)


RECORDER = Recorder()


def main() -> None:
    tree, folder, *names = sys.argv[1:]
    RECORDER.install()
    load_package(Path(tree))
    torch.set_num_threads(1)
    logging.getLogger("bilby").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    # Bilby asks pip for the installed packages at every run, which takes a second each time.
    bilby_sampler.env_package_list = cache(bilby_sampler.env_package_list)
    bilby_sampler.env_package_list(as_dataframe=True)
    for name in names:
        process = get_context("fork").Process(target=solve, args=(name, Path(folder) / f"{name}.npz"))
        process.start()
        process.join()
        print(name, flush=True)


if __name__ == "__main__":
    main()
