"""The sampler's keyword arguments: declared once, in :data:`~bilby_flowpe.arguments.table.ARGUMENTS`, and checked."""
