"""LoLLabelModel, in the place of Snorkel's LabelModel."""
