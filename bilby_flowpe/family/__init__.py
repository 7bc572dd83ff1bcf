"""Networks for all binary black holes of a family, with any noise curve and any length of data.

To read first: :mod:`.view`, the data that a network sees; :mod:`.coordinates`, the coordinates that it draws; and
:mod:`.events`, the simulations on which it is trained. To add a family, add its ranges to :data:`.bounds.FAMILIES` and
the size of its networks to :mod:`.recipes`.
"""
