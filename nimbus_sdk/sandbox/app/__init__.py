"""One sandbox as a whole: its services, its two ports, and the control plane."""
