"""Detectors, one a file, with their sources."""
