"""The subcommands of `botpit`, one file each."""
