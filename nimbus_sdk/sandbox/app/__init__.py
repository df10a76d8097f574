"""One sandbox as a whole: its parts, its two applications, and the control plane."""
