"""The command `vjax`, with one file for each subcommand.

No module here imports jax or the engine before a command starts to work.
"""
