"""How episodes end: verification, grading, measures."""
