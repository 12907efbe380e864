"""The paper, and what its experiment needs: one module for each subject, one function for each formula."""
