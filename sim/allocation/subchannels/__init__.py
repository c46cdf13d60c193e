"""Methods that assign subchannels to clients, from simple rules to a local search.

Read :mod:`.baselines` and :mod:`.greedy` first; :mod:`.local_search` needs docs/model.md, section 4.2.
"""
