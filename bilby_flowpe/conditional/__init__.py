"""Parameters drawn from their exact conditional density, given the wave and the data, so that no network has to learn them.

Read first :mod:`.base` (the protocol :class:`.base.Conditional` and its configuration), :mod:`.choose` (which parameters of a
problem are drawn this way, and by which class), and :mod:`.closed_form` (the simplest class). How to add a conditional is
described in ``docs/house.md``, "To add a conditional".
"""
