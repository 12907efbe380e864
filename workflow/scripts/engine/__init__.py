"""How a job runs, never what it computes: device, processes, progress, states, random streams, errors."""
