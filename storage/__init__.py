"""The ledger and the results: the only house that speaks SQL."""
