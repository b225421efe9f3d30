"""Measurements: `python -m tests.bench --help`. Figures of different runs compare as ratios only, never as numbers."""
