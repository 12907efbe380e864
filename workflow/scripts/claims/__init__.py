"""The paper's checkable statements: the ledger, the statistics, and what is measured for each."""
