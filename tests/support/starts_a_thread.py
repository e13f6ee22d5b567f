"""A module that no process can load which is to be forked."""

import threading

threading.Thread(target=threading.Event().wait, daemon=True).start()
