"""The command line: `yuyue`, or `python -m services`. Each command lives beside this file and is added here in one line."""

import click

from services import administration, operator_messages, processes, up, verification
from services.tour.command import tour


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="yuyue")
def main() -> None:
    """Yuyue 预约: the booking backend of a city."""


main.add_command(up.up)
main.add_command(tour)
main.add_command(administration.migrate)
main.add_command(administration.seed)
main.add_command(administration.keys)
main.add_command(administration.settings)
main.add_command(administration.account)
main.add_command(verification.verify_draw)
main.add_command(verification.verify_notice)
main.add_command(operator_messages.erase_notices)
main.add_command(operator_messages.dead_messages)
main.add_command(operator_messages.replay_message)
for command in processes.processes.commands.values():
    main.add_command(command)

if __name__ == "__main__":
    main()
