"""Parallel processes: workers of this machine, of a dask cluster, or of a training."""
