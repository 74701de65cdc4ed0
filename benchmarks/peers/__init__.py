"""Other runtimes beside which one text is timed, each in a process of its own."""
