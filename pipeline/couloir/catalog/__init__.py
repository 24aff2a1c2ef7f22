"""Tables out: the catalog of events, its clusters, and its comparison with a truth table."""
