"""The command `vjax`: one file a subcommand. Nothing here imports jax or the engine before a command starts to work."""
