"""Batches, feature spaces and data modules."""
