"""LightningModules and optimizers."""
