"""Who is logged in: sessions of the console, and the tokens of people behind them.

Two records belong to a login. Flask's session has what pages remember; the last request that writes
it wins. The tokens have a record of their own that is changed under a lock, for a refresh token is
good for one use: two refreshes at once would end the person's session.
"""
