"""The command line. Prints for people and, with --json, for programs; an error is one sentence."""
