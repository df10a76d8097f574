"""The Nimbus API: response models, endpoints and clients."""
