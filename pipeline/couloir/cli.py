"""Run Couloir from a command line: one command for each stage, and one for all."""

import sys
import warnings
from typing import Any

import click

from couloir import __version__
from couloir.commands import begin, look, model, stages, submit
from couloir.errors import CouloirError, CouloirWarning, Terminated, exit_code_of
from couloir.stop import listen


class _Commands(click.Group):
    """Keep the commands in the order of the work, and turn expected errors into one clear message."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        warnings.showwarning = _show_warning
        listen()
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            terminated = isinstance(stop, Terminated)
            what = "stopped by SIGTERM" if terminated else "interrupted"
            click.echo(f"{what}; the same command goes on from here", err=True)
            ctx.exit(exit_code_of(stop))
        except CouloirError as error:
            click.secho("couloir: ", fg="red", nl=False, err=True)
            click.echo(str(error), err=True)
            ctx.exit(exit_code_of(error))


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """Print Couloir's own warnings as a sentence; those of libraries are not for its users."""
    if issubclass(category, CouloirWarning):
        click.secho("warning: ", fg="yellow", nl=False, err=True)
        click.echo(str(message), err=True)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="couloir")
def main() -> None:
    """Turn years of continuous seismic recordings into a catalog of clustered events.

    \b
    couloir demo                 see it work on a synthetic archive
    couloir init > run.yaml      write a run file with every setting explained
    couloir plan run.yaml        see what a run would do, and what it would cost
    couloir run run.yaml         do it: detect, train, catalog, report
    couloir status run.yaml      see from anywhere how far it is, and when it will end
    couloir verify run.yaml      read all of it again, and say what is not as it was written

    \b
    On a cluster, each stage as soon as the one before it is done:
    couloir submit slurm run.yaml
    couloir submit kubernetes run.yaml

    \b
    With a model from elsewhere, and without training:
    couloir model import FILE run.yaml
    couloir detect run.yaml
    couloir assign run.yaml
    """  # noqa: D301 - \b is click's sign to leave the lines below it as they are


for _command in (
    begin.init,
    stages.plan,
    stages.detect,
    stages.train,
    stages.catalog,
    stages.assign,
    model.model,
    stages.report,
    stages.run,
    submit.submit,
    submit.release,
    submit.note_failure,
    look.status,
    look.verify,
    look.outcomes,
    begin.synth,
    begin.demo,
):
    main.add_command(_command)


if __name__ == "__main__":
    sys.exit(main())
