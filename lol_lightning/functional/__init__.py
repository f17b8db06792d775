"""The equations of Losses over Labels: tensors in, tensors out."""
