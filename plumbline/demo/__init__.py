"""The demo: texts of its own, the whole loop on real servers, and what there is to see of it."""
