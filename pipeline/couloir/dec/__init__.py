"""Learn clusters of spectrograms without labels: deep embedded clustering in Keras 3."""
