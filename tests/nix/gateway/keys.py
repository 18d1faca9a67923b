"""What the gateways of these tests know."""

import base64

ANON = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbiJ9.anon-Signature_1"
SERVICE = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.service-Signature_1"
OLD = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbiJ9.anon-Signature_0"
#: Of user supabase in Studio
PASSWORD = "5f4dcc3b5aa765d61d8327deb882cf99"


def login(password: str) -> str:
    """The header a browser sends after asking for Studio's name and password."""
    return "Basic " + base64.b64encode(f"supabase:{password}".encode()).decode()
