"""Distributions and integrals that the models are made of; knows nothing of trials."""
