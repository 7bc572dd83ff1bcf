"""
Through bilby_pipe
==================

An ini file in, two analyses of one simulated signal in parallel, merged, a final result and its plots out::

    python examples/pipeline.py

.. image:: /images/gallery/pipeline.png
   :alt: whitened data of the simulated signal as bilby_pipe draws it, and the corner plot

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
# The result
# ----------

for file in sorted([*OUTDIR.glob("result/*_result.hdf5"), *OUTDIR.glob("final_result/*_result.hdf5")]):
    result = bilby.read_in_result(str(file))
    statistics = result.meta_data["run_statistics"]
    print(f"{file.parent.name}/{file.name}")
    print(
        f"    ln Z {result.log_evidence:.3f} +- {result.log_evidence_err:.3f}, {len(result.posterior)} samples, "
        f"{statistics['verdict']}"
    )
