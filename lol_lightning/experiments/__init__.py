"""Methods compared on equal terms: the same trials, chosen on validation, over several seeds."""
