"""The conditions of partial indexes that queries repeat, so that PostgreSQL uses the index."""

from __future__ import annotations

# Of `jobs_set_aside_idx`.
SET_ASIDE = "state IN ('quarantined', 'rejected', 'expired')"
# Of `jobs_unscored_idx`.
UNSCORED = "state IN ('quarantined', 'rejected', 'expired', 'cancelled')"
