"""The command `wharf-images`, which runs and checks the picture service."""

from __future__ import annotations

import time

import click

from servicekit import command_line, logs
from servicekit.settings import SettingsError
from wharf_images import __version__, bootstrap
from wharf_images import settings as images_settings
from wharf_images.maker import self_test
from wharf_images.sandbox import kernel
from wharf_images.sandbox.client import Sandbox


def main() -> None:
    """Run the command; report an operator's mistake as one line on standard error."""
    command_line.run(cli, "wharf-images")


@click.group()
@click.version_option(__version__)
def cli() -> None:
    """Run or check Wharf's picture service.

    The settings are read from the environment (WHARF_SOCKETS, ...).
    """


@cli.command()
def serve() -> None:
    """Make pictures for the gateway until TERM."""
    settings = images_settings.read()
    logs.configure("images", settings.log_level)
    bootstrap.serve(settings)


@cli.command()
@click.option("--require", is_flag=True, help="Fail if the kernel has no Landlock.")
def check(*, require: bool) -> None:
    """Check the sandbox.

    Print which sandbox the kernel supports, and make a tiny picture in it.
    """
    version = bootstrap.landlock_version("require" if require else "auto")
    print(f"Landlock: {f'version {version}' if version else 'none'}")
    print(f"seccomp: filters for {kernel.machine()}")
    sandbox = Sandbox(bootstrap.zygote_command(version))
    try:
        sandbox.watch()
        self_test(sandbox, bootstrap.TINY)
        begin = time.perf_counter()
        if error := self_test(sandbox, bootstrap.TINY):
            raise SettingsError(error)
        print(f"picture: made in the sandbox in {(time.perf_counter() - begin) * 1e3:.1f} ms")
    finally:
        sandbox.close()
