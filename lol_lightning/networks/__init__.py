"""Networks on sparse rows."""
