"""Detectors of metrics that are reported as a level at regular moments."""
