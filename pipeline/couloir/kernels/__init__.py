"""Compute: pure functions of arrays and numbers that find transients and picture them."""
