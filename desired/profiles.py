"""What a profile stands for: the services it switches on, and the limits of the instance's slice."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Name = Literal["api", "app", "full"]

#: Every service that can be switched, by its key in group_data.
SERVICES: Final = ("rest_api", "auth", "storage", "realtime", "meta", "studio", "imgproxy")


@dataclass(frozen=True)
class Profile:
    """`memory`: MiB, `tasks`: processes and threads; both for all services of the instance together."""

    services: frozenset[str]
    memory: int
    tasks: int


_API = frozenset({"rest_api"})
_APP = _API | {"auth", "storage", "imgproxy"}
PROFILES: Final[Mapping[Name, Profile]] = {
    "api": Profile(_API, memory=512, tasks=256),
    "app": Profile(_APP, memory=1024, tasks=512),
    "full": Profile(frozenset(SERVICES), memory=2048, tasks=1024),
}
