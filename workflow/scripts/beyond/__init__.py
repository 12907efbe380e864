"""Beyond the paper: its open questions, as experiments of ours; a module for each chapter."""
