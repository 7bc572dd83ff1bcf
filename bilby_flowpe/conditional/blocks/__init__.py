"""Draws of sky position, time, orientation and phase for blocks of waves at once, by a few operations on large arrays."""
