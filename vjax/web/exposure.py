"""Who can reach the page."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server at this address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def exposure_text(host: str, share: bool) -> str:
    """What is printed when others can reach the page."""
    who = "anyone who has its public address" if share else f"anyone who can reach {host}"
    how = " Sounds and presets pass through a server of Gradio." if share else ""
    return f"vjax web: {who} can use this page and the cores of this machine. It has no password.{how}"
