"""What whoever starts it for the first time is told."""

import sys


def show_admin_password(password: str) -> None:
    """Tell whoever started it how to sign in, on the terminal and never in a log."""
    sys.stderr.write(f"\n  First start: sign in as  admin  with password  {password}\n")
    sys.stderr.write("  It is shown only this once; change it with: forecastle user password admin\n\n")
