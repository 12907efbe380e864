"""What is shown of a run: figures, numbers, pages, trained weights, provenance."""
