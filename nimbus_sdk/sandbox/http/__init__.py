"""HTTP for all services: listener, endpoints, faults, request log and database."""
