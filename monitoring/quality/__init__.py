"""Quality reports: metrics estimated without labels, and realized once labels arrive."""
