"""Requests to addresses that tenants choose: a tenant must not reach the network of the operator.

`Sender.post` sends one request. `Rules` states which addresses it may reach (ADR 76).
"""

from servicekit.outbound.allow_list import AllowList
from servicekit.outbound.errors import NotAllowed, SendingFailed
from servicekit.outbound.rules import Rules
from servicekit.outbound.sender import Answer, Sender

__all__ = ["AllowList", "Answer", "NotAllowed", "Rules", "Sender", "SendingFailed"]
