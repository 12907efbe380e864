"""The paper, and nothing else: one module a section, one function a formula."""
