"""Detectors of regular series."""
