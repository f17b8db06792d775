"""Images: attribute labelers as labeling functions, and their gradients at each example as targets."""
