"""The plain ways of doing what Couloir does, as a careful user of ObsPy and SciPy would write them."""
