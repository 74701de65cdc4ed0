"""What the pipeline costs: bulk and single jobs, the ledger alone, more workers, a long run."""
