"""The proof of the promise: jobs through every door while processes and servers are killed.

`python -m tests.chaos --jobs 10000 --kills 30 --seed 1`; the same code runs small in the tests.
"""
