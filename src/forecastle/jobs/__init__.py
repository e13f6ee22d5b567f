"""Jobs: a durable queue, a status machine, and the runner that works it off in processes of its own.

No kind of job is known here by name. Worker processes import `context` and `worker` only, never the database.
"""
