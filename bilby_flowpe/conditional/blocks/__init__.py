"""Sky, time, orientation and phase drawn for blocks of waves at once, by a few operations on large arrays."""
