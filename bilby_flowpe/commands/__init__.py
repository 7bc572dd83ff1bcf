"""Functions of the commands of ``flowpe``, and the parsers of some."""
