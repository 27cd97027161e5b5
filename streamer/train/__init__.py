"""The command `train`: a recipe, fitted once into a release, whatever kills it on the way."""
