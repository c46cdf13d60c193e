"""The contract of training schemes: ``check_scheme`` tests a registered scheme on small worlds.

Read ``check`` first, which lists the conditions of the trials, then ``rules`` for the rules.
"""
