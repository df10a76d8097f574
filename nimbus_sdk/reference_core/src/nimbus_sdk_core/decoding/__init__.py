"""From trials or chunks to predictions, in memory, in Dask or as a stream."""
