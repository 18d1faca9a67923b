"""SSH public keys as age recipients."""

import base64
import binascii

#: The key types age encrypts to (age(1), "SSH keys"); the others it refuses with `unknown recipient type`.
USABLE = ("ssh-ed25519", "ssh-rsa")


def usable_recipient(line: str) -> str:
    """`type base64`, the comment cut off, as age wants it.

    Raises ValueError with the reason when the line is no public key or age cannot encrypt to it.
    """
    kind, _, rest = line.strip().partition(" ")
    if kind not in USABLE:
        if kind.startswith("sk-"):
            reason = f"{kind} lives in a security key, which age cannot decrypt with"
        elif kind.startswith("ecdsa-"):
            reason = f"age has no support for {kind}"
        elif "PRIVATE KEY" in line:
            raise ValueError("this is a private key; give the .pub file's line, and replace the key: it has been in a text file")
        else:
            reason = "this is no SSH public key"
        raise ValueError(f"{reason}; make one with `ssh-keygen -t ed25519` (age can use {' and '.join(USABLE)})")
    body = rest.split(" ", 1)[0]
    try:
        blob = base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise ValueError("the key's base64 is damaged; copy the whole line of the .pub file") from error
    name = blob[4 : 4 + int.from_bytes(blob[:4])]
    if name.decode("ascii", "replace") != kind or len(blob) < 51:
        raise ValueError("the key is cut off; copy the whole line of the .pub file")
    return f"{kind} {body}"
