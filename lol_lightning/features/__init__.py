"""What a model reads, and where in it the features that labeling functions inspect are found."""
