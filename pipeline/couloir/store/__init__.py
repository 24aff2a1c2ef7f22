"""The run's output place: the spectrogram archive, the outcomes and small files beside them."""
