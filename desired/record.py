"""What an instance's services have made in its database, written down where only a superuser can: in the database's comment.

`supabase: instance prod realtime v2.134.10 bucket uploads storage v1.74.0`. Whether it is so stands in rows of the instance's
tables, which a superuser session does not read; a run writes it down when the services have said so.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from desired.estate import Host


@dataclass(frozen=True)
class Record:
    """`realtime`, `storage`: the version that has answered, its migrations through; `bucket`: the storage bucket. None:
    nothing wanted, or known."""

    realtime: str | None = None
    bucket: str | None = None
    storage: str | None = None

    def text(self, comment: str) -> str:
        """The comment of a database, of which `comment` says whose it is."""
        return " ".join([comment, *(f"{key} {value}" for key, value in asdict(self).items() if value is not None)])

    def over(self, known: "Record") -> "Record":
        """What is known once all of this is made."""
        return replace(known, **{key: value for key, value in asdict(self).items() if value is not None})


def recorded(comment: str | None) -> Record:
    """The record in a database's comment; words of other versions of this project are left out."""
    words = (comment or "").split()[3:]
    known = dict(zip(words[::2], words[1::2], strict=False))
    return Record(**{key: known.get(key) for key in asdict(Record())})


def records(host: Host, versions: Mapping[str, str]) -> Mapping[str, Record]:
    """What the services of each of the host's instances are to make; `versions`: those that run there."""

    def made(services: Mapping[str, bool], bucket: str) -> Record:
        realtime, storage = (versions.get(service) if services[service] else None for service in ("realtime", "storage"))
        return Record(realtime, bucket if services["storage"] else None, storage)

    return {item.name: made(item.services, item.storage["bucket"]) for item in host.instances}
