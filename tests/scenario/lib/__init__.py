"""The actors of the scenarios: Sshd, Broker, Client, Wire, and the Pool that puts them together."""
