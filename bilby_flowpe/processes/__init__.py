"""Parallel processes: workers of this machine, of a dask cluster, or of a training.

To read first: :func:`.parallel.evaluate`, one function for many rows; :mod:`.workers`, the processes; and :mod:`.cluster`, the
engine for dask. To add another kind of cluster, write a class with the members of :class:`.parallel.Engine`: the order of the
rows must not depend on the number of workers.
"""
