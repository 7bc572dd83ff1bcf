"""Load model folders that are damaged, mixed up or malicious: each must end in a typed error, and no code of theirs may run.

    python examples/studies/hostile_models.py green2020-5d-maf

Every entry of the description is left out, changed to another type, or set to absurd values, with the old digests and with
digests computed for the change. The tensors are cut short, changed by a bit, left out, renamed, of other shapes or NaN, or
replaced by a pickle with the same name. Each folder is then loaded, shown, bound to a problem and drawn from. The script prints
what happened for each kind of change. It fails if there is any error that is not one of this package, if a call takes longer
than its time limit, or if a file is left behind.
"""

from __future__ import annotations

import argparse
import copy
import json
import pickle
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from bilby_flowpe.errors import FlowPEError
from bilby_flowpe.model import TrainedPosterior
from bilby_flowpe.model_list import describe_entry, entry
from bilby_flowpe.priors import PriorTransform
from bilby_flowpe.problems import green2020
from bilby_flowpe.storage.folder import DESCRIPTION, SURPRISE, WEIGHTS, write_description
from bilby_flowpe.storage.shipped import SHIPPED

ABSURD: dict[type, tuple[Any, ...]] = {
    int: (-1, 0, 10**12),
    float: (-1.0, 0.0, 1e300, float("nan")),
    str: ("", "../../../etc/passwd", "os.system"),
    list: ([], [None]),
    dict: ({}, {"../x": 1}),
    bool: (),
    type(None): (10**12,),
}
OTHER_TYPE: dict[type, Any] = {int: "text", float: "text", str: 3, list: "text", dict: [], bool: "yes", type(None): []}
LONGEST = 20  # seconds
CUTS = 50

Change = Callable[[Path], None]


class Trap:
    """Object that creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def entries(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return paths to all entries; of long lists only the first two."""
    inside = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, other in inside:
        yield (*path, key)
        yield from entries(other, (*path, key))


def changed(description: dict[str, Any], path: tuple[Any, ...], *value: Any) -> dict[str, Any]:
    """Return a copy with one entry replaced or left out."""
    other = copy.deepcopy(description)
    place = other
    for key in path[:-1]:
        place = place[key]
    if value:
        place[path[-1]] = value[0]
    else:
        del place[path[-1]]
    return other


def descriptions(description: dict[str, Any], signed: bool) -> Iterator[tuple[str, str, Change]]:
    """Kind, name and change of each damaged description."""

    def write(other: dict[str, Any]) -> Change:
        if signed:
            return lambda folder: void(write_description(folder, other))
        return lambda folder: void((folder / DESCRIPTION).write_text(json.dumps(other)))

    said = ", digests made for it" if signed else ""
    for path in entries(description):
        value = description
        for key in path:
            value = value[key]
        name = ".".join(map(str, path))
        yield f"entry left out{said}", name, write(changed(description, path))
        yield f"entry of another type{said}", name, write(changed(description, path, OTHER_TYPE[type(value)]))
        for absurd in ABSURD[type(value)]:
            if absurd != value:
                yield f"absurd entry{said}", f"{name}={absurd!r}", write(changed(description, path, absurd))


def tensors(folder: Path, description: dict[str, Any], trap: Path) -> Iterator[tuple[str, str, Change]]:
    """Return kind, name and change of each damaged file of tensors."""
    content, values = (folder / WEIGHTS).read_bytes(), load_file(folder / WEIGHTS)

    def write(other: bytes) -> Change:
        return lambda copied: void((copied / WEIGHTS).write_bytes(other))

    def signed(other: bytes) -> Change:
        def change(copied: Path) -> None:
            (copied / WEIGHTS).write_bytes(other)
            write_description(copied, description)

        return change

    def saved(other: dict[str, torch.Tensor]) -> Change:
        def change(copied: Path) -> None:
            save_file(other, copied / WEIGHTS)
            write_description(copied, description)

        return change

    rng = np.random.default_rng(0)
    for cut in np.linspace(0, len(content) - 1, CUTS).astype(int).tolist():
        yield "weights cut short", str(cut), write(content[:cut])
        yield "weights cut short, digests made for it", str(cut), signed(content[:cut])
    for place in rng.integers(len(content), size=CUTS).tolist():
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(rng.integers(8))
        yield "weights with a bit changed", str(place), write(bytes(flipped))
    # In the header, whose digests tell of nothing if they are made for it.
    for place in range(0, 400, 8):
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(rng.integers(8))
        yield "header with a bit changed, digests made for it", str(place), signed(bytes(flipped))
    for key, value in values.items():
        bare = {name: other for name, other in values.items() if name != key}
        yield "tensor left out", key, saved(bare)
        yield "tensor of another shape", key, saved({**bare, key: torch.zeros(3, *value.shape, dtype=value.dtype)})
        yield "tensor with a group of its own", key, saved({**bare, f"../{key}": value})
        if value.is_floating_point():
            yield "tensor of no numbers", key, saved({**bare, key: torch.full_like(value, torch.nan)})
    for name in (WEIGHTS, SURPRISE, DESCRIPTION):
        yield (
            "pickle in disguise",
            name,
            lambda copied, name=name: void((copied / name).write_bytes(pickle.dumps(Trap(trap)))),
        )


def void(_: object) -> None:
    """Accept any argument and return nothing."""


def attempt(folder: Path, problem: tuple[Any, Any]) -> str:
    """Load a folder and use it; describe what happened in words."""
    likelihood, priors = problem
    signal.alarm(LONGEST)
    try:
        describe_entry(entry(folder, "here"))
        bound = TrainedPosterior.load(folder).bind(likelihood, PriorTransform(priors))
        bound.mixture().draw(20, np.random.default_rng(0))
        bound.surprise()
        return "works"
    except FlowPEError as error:
        return f"typed: {type(error).__name__}"
    except TimeoutError:
        return "HANGS"
    except (Exception, SystemExit) as error:
        return f"UNTYPED: {type(error).__name__}: {error}"
    finally:
        signal.alarm(0)


def out_of_time(*_: object) -> None:
    raise TimeoutError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "model", nargs="?", default="green2020-5d-maf", help="name of a shipped model, or folder of a model"
    )
    parser.add_argument("--every", type=int, default=1, help="try only one in this number of changes")
    arguments = parser.parse_args()
    folder = Path(arguments.model)
    if not folder.is_dir():
        folder = SHIPPED / arguments.model
    signal.signal(signal.SIGALRM, out_of_time)
    description = json.loads((folder / DESCRIPTION).read_text())
    problem = green2020(5, seed=1)
    counts: dict[str, Counter[str]] = {}
    bad: list[str] = []
    with tempfile.TemporaryDirectory() as home:
        trap, copied = Path(home) / "sprung", Path(home) / "model"
        cases = [
            *descriptions(description, signed=False),
            *descriptions(description, signed=True),
            *tensors(folder, description, trap),
        ]
        for kind, name, change in cases[:: arguments.every]:
            shutil.copytree(folder, copied)
            change(copied)
            before = sorted(path.name for path in copied.iterdir())
            outcome = attempt(copied, problem)
            if sorted(path.name for path in copied.iterdir()) != before or sorted(
                path.name for path in Path(home).iterdir()
            ) != ["model"]:
                outcome = "LEFT SOMETHING BEHIND"
            counts.setdefault(kind, Counter())[outcome.split(":")[0]] += 1
            if outcome.isupper() or outcome[:2].isupper():
                bad.append(f"{kind}, {name}: {outcome}")
            shutil.rmtree(copied)
            trap.unlink(missing_ok=True)
    names = ("typed", "works", "UNTYPED", "HANGS", "LEFT SOMETHING BEHIND")
    print(f"{'kind':<50}" + "".join(f"{name.lower():>23}" for name in names))
    for kind, count in counts.items():
        print(f"{kind:<50}" + "".join(f"{count[name]:>23}" for name in names))
    print(f"{'all':<50}" + "".join(f"{sum(count[name] for count in counts.values()):>23}" for name in names))
    if bad:
        raise SystemExit("\n".join(bad))


if __name__ == "__main__":
    main()
