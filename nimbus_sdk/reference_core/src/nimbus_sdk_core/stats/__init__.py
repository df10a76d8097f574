"""Distributions and integrals that the models are made of."""
