"""Draws of sky position, time, orientation and phase for blocks of waves at once, by a few operations on large arrays.

To read first: :mod:`.coherent`, the whole draw for waves of one harmonic; :mod:`.skies`, the candidates for sky
position and time; and :mod:`.harmonics`, the same for several harmonics.

These are tasks for worker processes: to add one, write a picklable dataclass with ``__call__``, and let a conditional
hand it out.
"""
