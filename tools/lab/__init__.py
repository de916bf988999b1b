"""lab: real containers and a real agent, started and taken down again, for the demo, the tests and the benchmarks.

Everything lies in one Workspace: a tmpfs with a unique name. What is made in it is undone by closing it, in reverse
order, also after a failure; `leftovers()` then says what is still there and should not be.
"""
from .agent import Agent, Cli
from .containers import Container, Workspace, in_vm
from .leftovers import leftovers
from .network import Network, policy
from .wait import Timeout, patience, wait_for

__all__ = ["Agent", "Cli", "Container", "Network", "Timeout", "Workspace", "in_vm", "leftovers", "patience", "policy", "wait_for"]
