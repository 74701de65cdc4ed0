"""The proof of the promise: submit jobs through every path while processes and servers are killed.

`python -m tests.chaos --jobs 10000 --kills 30 --seed 1` runs it at any size; the tests run a small
one.
"""
