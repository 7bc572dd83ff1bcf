"""Functions of the commands of ``flowpe``, and the parsers of some.

To read first: :mod:`.parsing`, the shared options; :mod:`.models`, commands about networks; and :mod:`.refereeing`,
commands that compare.

To add a command, write its parser in a module that imports nothing large, its function in another, and a line in
``bilby_flowpe/cli.py``.
"""
