"""Sphinx configuration: python -m sphinx -W --keep-going -b html docs build/docs."""

import importlib.metadata

project = "bilby_flowpe"
copyright = "the bilby_flowpe developers"
version = release = importlib.metadata.version(project)
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax", "sphinx_copybutton"]
exclude_patterns = ["build"]
html_theme = "furo"
html_title = f"{project} {version}"
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "attrs_block"]
myst_heading_anchors = 3
# Formulae of the API are written for raw docstrings.
napoleon_google_docstring = False
napoleon_use_rtype = False
autodoc_member_order = "bysource"
autodoc_typehints = "description"
nitpicky = False
