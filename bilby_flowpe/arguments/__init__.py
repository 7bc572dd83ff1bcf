"""The sampler's keyword arguments: declared once, in :data:`~bilby_flowpe.arguments.table.ARGUMENTS`, and checked.

To read first: :mod:`.table`, every argument with its default and its words; and :mod:`.kinds`, how values are
checked.

To add an argument, add a row to ``ARGUMENTS``, and run ``python docs/tables.py --write`` for the table of the
documentation.
"""
