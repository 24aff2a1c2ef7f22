"""Make the network's input the plain way: SciPy's STFT and Box-Cox, one event at a time."""

import numpy as np
from numpy.typing import NDArray
from scipy import signal, stats


def spectrogram(window: NDArray[np.float32]) -> NDArray[np.float16]:
    """Picture one window (3, samples): |STFT|, Box-Cox by maximum likelihood, standardised; float16."""
    _, _, spectra = signal.stft(
        window - window.mean(axis=1, keepdims=True), fs=100.0, nperseg=128, noverlap=113, nfft=254, boundary=None
    )
    magnitude = np.abs(spectra)
    values, _ = stats.boxcox(np.maximum(magnitude, 1e-6 * magnitude.max()).ravel())
    values = (values - values.mean()) / values.std()
    return values.reshape(magnitude.shape).transpose(1, 2, 0).astype(np.float16)
