"""A backtest: what a candidate would have answered to stored texts, beside what was answered."""
