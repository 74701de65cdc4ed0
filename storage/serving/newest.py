"""The newest deployment, for queries that need neither its history nor the classes of tables."""

from __future__ import annotations

NEWEST_DEPLOYMENT = "SELECT * FROM plumbline.deployments ORDER BY id DESC LIMIT 1"
