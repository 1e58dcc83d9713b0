"""Prices of options: the only money computed in floating point, handed to the engine as rounded integers.

Powers, logarithms and the normal distribution have no exact integers, so options are priced here and not in `rules` or
`clearing`. What the engine gets is a pair of integers, one that the true price is not below and one that it is not
above; a holder is valued at the lower one and a writer at the upper one. The width of the pair is stated
(`black76.error`) and tested against arithmetic of fifty digits.
"""
