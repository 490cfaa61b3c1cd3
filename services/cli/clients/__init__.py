"""Moving programs to the tap and back: what their settings say, what they would say, and a journal for the way back.

`survey` looks, `journal.write` changes, `journal.undo` restores. No file's text leaves this machine's user: a file is
kept as it was under the monitor's home until it is restored.
"""
