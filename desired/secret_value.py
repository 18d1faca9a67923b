"""One value of a secret with its public description, from what goes into it."""

from collections.abc import Mapping
from datetime import datetime

from desired.generators import GENERATORS, Material, inputs_digest
from desired.secret_plan import Wanted
from desired.sidecar import Sidecar, digest, time_text

#: Random bytes of an id that does not follow from the value.
ID_BYTES = 8


def material(item: Wanted, parents: Mapping[str, str], entropy: bytes, now: datetime) -> Material:
    """`parents`: kind to plaintext; more kinds than the generator needs are fine."""
    return Material(item.inputs, {kind: parents[kind] for kind in item.parents}, entropy, now)


def line(value: str) -> bytes:
    """What is encrypted: the value and one newline, so that `age -d` leaves the terminal tidy."""
    return value.encode() + b"\n"


def value_of(plaintext: bytes, *, lines: bool = False) -> str:
    """The value in a decrypted file. Raises ValueError when it is not text of one line, or of `lines`, without saying what."""
    try:
        value = plaintext.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError("it is not text") from None
    if lines and value:
        return value
    if not value or value != value.strip() or len(value.splitlines()) != 1:
        raise ValueError("it is not one line without spaces around it")
    return value


def describe(
    item: Wanted, value: str, ciphertext: bytes, *, parents: Mapping[str, str], random_id: bytes, created: str, state: str
) -> Sidecar:
    """The sidecar of a value. `parents`: kind to id, `random_id`: for a kind whose id does not follow from the value."""
    generator = GENERATORS[item.kind]
    return Sidecar(
        instance=item.instance,
        kind=item.kind,
        secret=item.secret,
        recipients=item.recipients,
        inputs=inputs_digest(item.inputs),
        ciphertext=digest(ciphertext),
        id=generator.identify(value) if generator.identify else random_id.hex(),
        parents={kind: parents[kind] for kind in item.parents},
        state=state,
        created=created,
        expires=time_text(generator.expiry(value)) if generator.expiry else None,
        digest=digest(value.encode()) if generator.compared else None,
    )
