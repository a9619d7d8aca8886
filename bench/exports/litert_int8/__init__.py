"""LiteRT with weights of 8 bits: the converter's dynamic range quantisation, which needs no data."""
