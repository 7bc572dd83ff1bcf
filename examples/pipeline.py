"""
Through bilby_pipe
==================

bilby_pipe reads an ini file, analyses one simulated signal twice in parallel, merges the results, and makes plots::

    python examples/pipeline.py

.. image:: /images/gallery/pipeline.png
   :alt: corner plot of the two analyses over each other

.. literalinclude:: /images/gallery/pipeline.txt
   :language: none

bilby_pipe is not installed with this package: ``python -m pip install bilby_pipe``.
"""
# sphinx_gallery_thumbnail_path = "images/gallery/pipeline.png"

import shutil
import subprocess
import time
from pathlib import Path

import bilby

from bilby_flowpe.corner_plot import bounds_of, gps_offsets, plot_comparison

OUTDIR = Path("outdir_bilby_pipe")

# %%
# The ini file
# ------------
#
# The lines that make it flowpe's: ``sampler = flowpe``, and in ``sampler-kwargs`` the model. The rest is what any analysis has.

INI = Path("examples/bilby_pipe.ini")
print("".join(f"    {line}\n" for line in INI.read_text().splitlines() if line.startswith(("sampler", "n-parallel"))))

# %%
# The run
# -------
#
# ``--local`` runs every job here and now; without it the same jobs go to HTCondor or Slurm.

shutil.rmtree(OUTDIR, ignore_errors=True)
began = time.monotonic()
subprocess.run(["bilby_pipe", str(INI), "--local"], check=True, capture_output=True)
print(f"bilby_pipe took {time.monotonic() - began:.0f} s")

# %%
# The results
# -----------
#
# One of each parallel run, and one of both, merged. Beside them bilby_pipe leaves plots of its own.

results = {}
for file in sorted(OUTDIR.glob("result/*_result.hdf5")):
    name = file.stem.removesuffix("_result").rpartition("_")[2]
    results[name] = result = bilby.read_in_result(str(file))
    verdict = result.meta_data["run_statistics"]["verdict"]
    print(
        f"{name:<8} ln Z {result.log_evidence:.4f} +- {result.log_evidence_err:.4f}, "
        f"{len(result.posterior)} samples, {verdict}"
    )

keys = ["mass_1", "mass_2", "luminosity_distance", "geocent_time", "phase"]
posteriors = {name: result.posterior for name, result in results.items() if name.startswith("par")}
plot_comparison(
    posteriors,
    keys,
    OUTDIR / "pipeline.png",
    bounds=bounds_of(results["merge"].priors),
    truths=results["merge"].injection_parameters,
    offsets=gps_offsets(results["merge"].posterior, keys),
)
