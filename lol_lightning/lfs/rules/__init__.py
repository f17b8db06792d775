"""Labeling functions of known rules."""
