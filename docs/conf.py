"""Sphinx configuration: python -m sphinx -W --keep-going -b html docs build/docs."""

import importlib.metadata
import sys
from pathlib import Path

# sphinx-gallery asks for its order by name.
sys.path.insert(0, str(Path(__file__).parent))

project = "bilby_flowpe"
copyright = "the bilby_flowpe developers"
version = release = importlib.metadata.version(project)
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["build", "images/gallery/*.txt"]
html_theme = "furo"
html_title = f"{project} {version}"
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "attrs_block", "deflist"]
myst_heading_anchors = 3
# Formulae of the API are written for raw docstrings.
napoleon_google_docstring = False
napoleon_use_rtype = False
autodoc_member_order = "bysource"
autodoc_typehints = "description"
nitpicky = False

_ORDER = (
    "quickstart",
    "own_priors",
    "against_dynesty",
    "real_event",
    "neutron_stars",
    "pipeline",
    "own_likelihood",
    "model_selection",
    "catalogue",
)


def gallery_order(filename: str) -> int:
    """Place of an example in the gallery."""
    return _ORDER.index(filename.removesuffix(".py"))


sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    # Some take minutes, strain or dynesty: what is shown was kept by examples/studies/run_gallery.py.
    "plot_gallery": False,
    "ignore_pattern": r"studies|train_green2020",
    "within_subsection_order": "conf.gallery_order",
    "copyfile_regex": r"(?!)",
    "show_memory": False,
    "remove_config_comments": True,
    "show_signature": False,
    "download_all_examples": False,
    "min_reported_time": 1e9,
    "write_computation_times": False,
    "notebook_images": False,
}
