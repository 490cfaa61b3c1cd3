"""How many files and sockets a process may have open: a door that strangers can knock at needs many."""

import resource


def raise_descriptor_limit(wanted: int = 4096) -> int:
    """Lets this process open so many files and sockets, as far as its hard limit goes; returns what it may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        return most
    return wanted if soft == resource.RLIM_INFINITY else soft
