"""Waveforms in: where recordings lie, which of them exist, and what they hold."""
