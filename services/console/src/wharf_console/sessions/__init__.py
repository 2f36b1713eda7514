"""The sessions of the console, and the tokens of the people who are logged in.

A login has two records. Flask's session stores the data of pages; if two requests write it at the
same time, the last write wins. The tokens are in a separate record, which changes only under a
lock. A refresh token is valid for one use: two concurrent refreshes would end the person's session.
"""
