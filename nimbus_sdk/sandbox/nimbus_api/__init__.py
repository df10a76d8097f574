"""The Nimbus API: license keys, quotas, models, health."""
