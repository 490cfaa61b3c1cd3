"""Property tests run beside the whole stack's tests: how long one example takes says nothing here."""

from hypothesis import settings

settings.register_profile("collector", deadline=None)
settings.load_profile("collector")
