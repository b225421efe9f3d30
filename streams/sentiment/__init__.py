"""Scoring of raw text."""
