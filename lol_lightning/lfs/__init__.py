"""Labeling functions: the Snorkel adapter and the record of the features that they inspect."""
