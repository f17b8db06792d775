"""What changes an LF's vote when it is taken away."""
