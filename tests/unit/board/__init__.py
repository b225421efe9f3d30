"""Tests of the read side and the board."""
