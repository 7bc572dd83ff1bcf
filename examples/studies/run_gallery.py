"""Run the examples of the gallery, each in a new interpreter, and store what they print and draw for its pages.

    python examples/studies/run_gallery.py --only quickstart catalogue
    python examples/studies/run_gallery.py --only real_event --arguments GW150914 --data-dir DIR

All output goes to ``docs/images/gallery``, with the CPU seconds; the wall time of each, including imports, is printed.
"""

from __future__ import annotations

import argparse
import platform
import re
import resource
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "docs" / "images" / "gallery"
PICTURES = {
    "quickstart": {"quickstart": "outdir/quickstart/quickstart.png"},
    "own_priors": {
        "own_priors": "outdir/own_priors/own_priors.png",
        "own_priors_loss": "outdir/own_priors/flowpe_first/training.png",
    },
    "against_dynesty": {"against_dynesty": "outdir/against_dynesty/against_dynesty.png"},
    "real_event": {
        "real_event": "outdir/real_event/GW150914_corner.png",
        "real_event_whitened": "outdir/real_event/GW150914_whitened.png",
    },
    "neutron_stars": {"neutron_stars": "outdir/neutron_stars/neutron_stars.png"},
    "pipeline": {"pipeline": "outdir_bilby_pipe/pipeline.png"},
    "own_likelihood": {
        "own_likelihood": "outdir/own_likelihood/own_likelihood.png",
        "own_likelihood_corner": "outdir/own_likelihood/own_likelihood_corner.png",
    },
    "model_selection": {"model_selection": "outdir/model_selection/model_selection.png"},
    "catalogue": {
        "catalogue": "outdir/catalogue/catalogue.png",
        "catalogue_pp": "outdir/catalogue/catalogue_pp.png",
    },
}


def cpu_seconds() -> float:
    """Return the CPU seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(name: str, arguments: list[str]) -> float:
    """Run one example in the root folder, store what it prints and draws, and return its seconds."""
    words = [f"examples/{name}.py", *arguments]
    began, before = time.monotonic(), cpu_seconds()
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    seconds, used = time.monotonic() - began, cpu_seconds() - before
    if done.returncode:
        raise SystemExit(f"{name} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    # Without progress bars, and without this machine's folders.
    printed = "\n".join(line.rstrip() for line in done.stdout.splitlines() if not re.search("it/s|s/it", line))
    printed = re.sub(r"\n{3,}", "\n\n", printed)
    words = ["DIR" if Path(word).is_absolute() else word for word in words]
    last = f"[{seconds:.0f} s in all, {used:.0f} CPU s, bilby_flowpe {version('bilby_flowpe')}, {platform.machine()}]"
    text = "\n".join([f"$ python {' '.join(words)}", printed, "", last, ""])
    KEPT.mkdir(parents=True, exist_ok=True)
    (KEPT / f"{name}.txt").write_text(text, encoding="utf-8")
    for kept, picture in PICTURES[name].items():
        (file,) = sorted(ROOT.glob(picture))
        shutil.copy(file, KEPT / f"{kept}.png")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(PICTURES), default=list(PICTURES))
    parser.add_argument(
        "--arguments",
        nargs=argparse.REMAINDER,
        default=[],
        help="arguments that are passed on to the examples (must be the last option)",
    )
    arguments = parser.parse_args()
    for name in arguments.only:
        print(f"{name:<18}{run(name, arguments.arguments):8.0f} s", flush=True)


if __name__ == "__main__":
    main()
