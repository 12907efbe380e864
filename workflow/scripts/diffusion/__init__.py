"""The paper, and nothing else: one module for each section, one function for each formula."""
