"""The ledger and the results: tables, connections and queries."""
