"""Networks that serve all binary black holes of a family: any noise curve, any length of data.

To read first: :mod:`.view`, what a network sees of an event; :mod:`.coordinates`, what it draws; :mod:`.events`, what it is
trained on.
"""
