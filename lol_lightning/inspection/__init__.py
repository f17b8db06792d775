"""What a labeling function that nobody annotated looks at."""
