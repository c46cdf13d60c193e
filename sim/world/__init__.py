"""The world of one scheme's run: clients, server and links on one event loop, and the steps of a round.

Read ``world`` first; ``client_pool`` runs the clients, and ``rounds`` has the members and policies of rounds.
"""
