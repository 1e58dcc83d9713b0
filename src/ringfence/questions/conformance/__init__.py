"""What each venue's conformance cases ask, in terms of our rules and engine: one module per venue, named like its file.

A module has `KINDS`, the function that answers each kind of case, and may have `UNSUPPORTED`, the reason for each kind
that is not modelled. It holds no rule of its own: it reads a case, asks `rules` and `clearing`, and names the answers.
"""
