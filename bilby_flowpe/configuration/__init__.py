"""Configuration files (TOML), and the Bilby objects and settings made from them.

To read first: :mod:`.file`, a whole file; :mod:`.tables`, the checks; and :mod:`.transient`, the likelihood that a
file describes.

To add a setting, add a field to the dataclass of its table: :mod:`.tables` reads and checks it by its type.
"""
