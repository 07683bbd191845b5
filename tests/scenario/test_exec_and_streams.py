"""Commands without a terminal: streams, exit statuses, and the switches of ssh."""
import pytest


def test_a_command_runs_on_a_node(client, pool):
    assert client.out("hostname").strip() in [n.name for n in pool.nodes]
    assert client.out("whoami").strip() == client.user.name
