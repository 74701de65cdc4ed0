"""Alerts: rules, their evaluation, and the webhook."""
