"""The one error that every part shares: something that only the operator can put right."""


class NeedsOperator(Exception):
    """The installation or the command is at fault; the message says what was found, where, and what to do.

    `lnh` prints it as one line and exits with 1; a service stops at start-up.
    """
