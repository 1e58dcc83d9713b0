"""The margin rules as contracts: compile, deploy, call, and what an operation costs in gas on Layer 2."""
