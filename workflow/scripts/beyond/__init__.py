"""What the paper leaves open, by experiments of ours: a module for each chapter, a function for each formula."""
