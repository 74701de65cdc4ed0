"""The demo: bundled texts from the client to a drift report, on servers of its own."""
