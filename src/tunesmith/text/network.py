"""Addresses on the network: e-mail, IPv4, IPv6, MAC.

Owns their forms and what only looks like one (versions, retina images, slices, times). Does not own what becomes of
them (`redact`). Each finder yields ``(start, end, kind)``.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    Found = tuple[int, int, str]

_LOCAL_BACKWARDS = re.compile(r"[\w.+%'!#$&*/=?^`{|}~-]{1,64}")
_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,62}[^\W_])?\.){1,8}(?:[^\W\d_]{2,24}|xn--[a-z0-9-]{2,50})(?![\w@-])")
_NOT_A_DOMAIN = re.compile(
    r"\d+x\.|.*\.(?:service|socket|timer|target|png|jpe?g|gif|webp|svg|js"
    r"|css)$",
    re.IGNORECASE,
)
_SPELT = re.compile(
    r"[\w.+%-]{1,64} ?[\[({] ?(?:at|AT|@) ?[\])}] ?[\w-]{1,63}(?: ?[\[({] ?(?:dot|DOT|\.) ?[\])}] ?[\w-]{1,63}"
    r"|\.[\w-]{1,63}){1,5}(?!\w)"
)
SPELT_AT = re.compile(r"[\[({] ?(?:at|AT|@) ?[\])}]")
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
IPV4 = re.compile(rf"(?:{_OCTET}\.){{3}}{_OCTET}(?![\w-]|\.[0-9])")
_VERSION_BEFORE = re.compile(
    r"(?:\b(?:version|ver|release|build|firmware|section|chapter|clause|figure|table|driver|v|python|java"
    r"|node(?:js)?|ruby|php|perl|chrome|firefox|windows|macos|ios|android|linux|kernel|nginx|openssl|postgres"
    r"|mysql)[\s.:=]{0,3}|[A-Za-z]/|[=~<>]=\s?)$",
    re.IGNORECASE,
)
_HOST_BEFORE = re.compile(
    r"(?:\b(?:ips?|ipv4|address|host|server|dns|ping|gateway|resolver|from|to)\W{0,3}(?:is |was |at )?|//|@)$",
    re.IGNORECASE,
)
_NOBODY = re.compile(r"127\.|0\.0\.0\.0|255\.|224\.|239\.")
_COLONS = re.compile(r":(?<=[0-9A-Fa-f:]:)(?:[0-9A-Fa-f]{1,4}:|:[0-9A-Fa-f]?)")
_HEXES = re.compile(r"[0-9A-Fa-f:]+")
_GLOBAL = re.compile(r"[23f][0-9a-f]{3}|64:ff9b|::ffff:", re.IGNORECASE)
_IPV6_TAIL = re.compile(r"(?:\.[0-9]{1,3}){3}(?![0-9])")
_MAC = re.compile(
    r"(?:[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}"
    r"|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4})(?![\w:-])"
)
_DASHED = re.compile(r"-(?<=[0-9A-Fa-f]{2}-)[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-")


def emails(text: str) -> Iterator[Found]:
    """Yield e-mail addresses, also ``name (at) host (dot) org``; ``git@host:`` and ``logo@2x.png`` are none."""
    at = text.find("@")
    while at >= 0:
        domain = _DOMAIN.match(text, at + 1)
        if domain is not None:
            local = _local_before(text, at)
            cloned = local == "git" and text[domain.end() : domain.end() + 1] in (":", "/")
            if local and not cloned and not _NOT_A_DOMAIN.match(domain[0]):
                yield at - len(local), domain.end(), "EMAIL"
        at = text.find("@", at + 1)
    if SPELT_AT.search(text):
        for found in _SPELT.finditer(text):
            yield found.start(), found.end(), "EMAIL"


def _local_before(text: str, at: int) -> str:
    """Return the local part that ends before an @: as much as may be one, but not the mark-up around it."""
    found = _LOCAL_BACKWARDS.match(text[max(0, at - 65) : at][::-1])
    if found is None or len(found[0]) > 64:
        return ""
    local = found[0][::-1]
    plain = re.search(r"[\w.+%-]+(?:'[\w.+%-]+)?$", local)
    return plain[0].lstrip(".-") if plain else ""


def is_ipv4(text: str, start: int, end: int) -> bool:
    """Tell whether four numbers with points are somebody's address: no version, no loopback, no net mask."""
    if text[start - 1 : start] in {".", "-", "_"} or _NOBODY.match(text, start):
        return False
    before = text[max(0, start - 20) : start]
    if end - start == 7 and not _HOST_BEFORE.search(before):
        return False  # 1.2.3.4 is a section as often
    return not _VERSION_BEFORE.search(before)


def mac_end(text: str, start: int) -> int:
    """Return where the MAC address that begins at ``start`` ends, or -1 if there is none, or nobody's."""
    mac = _MAC.match(text, start)
    if mac is None or not (":" in mac[0] or re.search(r"[A-Fa-f]", mac[0])):
        return -1
    return -1 if len(set(re.sub(r"[^0-9a-f]", "", mac[0].lower()))) == 1 else mac.end()


def hex_addresses(text: str) -> Iterator[Found]:
    """Yield IPv6 and MAC addresses; C++ names, slices and times of day are none."""
    for pattern in (_COLONS, _DASHED):
        position = 0
        while found := pattern.search(text, position):
            start = found.start()
            while start and text[start - 1] in "0123456789abcdefABCDEF:" and found.start() - start < 40:
                start -= 1
            position, hit = _hex_at(text, start, found.end())
            if hit is not None:
                yield hit


def _hex_at(text: str, start: int, least: int) -> tuple[int, Found | None]:
    """Return where to go on, and the address that begins at ``start`` if there is one."""
    if start and (text[start - 1].isalnum() or text[start - 1] in "_-"):
        return least, None
    end = mac_end(text, start)
    if end > 0:
        return end, (start, end, "MAC")
    run = _HEXES.match(text, start)
    if run is None:
        return least, None
    end = run.end()
    tail = _IPV6_TAIL.match(text, end)
    if tail is not None:
        end = tail.end()
    value = text[start:end] if tail else text[start:end].rstrip(":")
    end = start + len(value)
    follows = text[end : end + 1]
    good = _is_ipv6(value) and not (follows.isalnum() or follows == "_")
    return max(least, run.end()), (start, end, "IP") if good else None


def _is_ipv6(value: str) -> bool:
    """Tell whether hexadecimal groups are an address of a machine; ``1::2`` may be a slice, ``::1`` is this machine."""
    groups = [group for group in value.split(":") if group]
    if "::" in value and len(groups) < 4 and not (len(groups) >= 2 and _GLOBAL.match(value)):
        return False
    try:
        ipaddress.IPv6Address(value)
    except ValueError:
        return False
    return any(letter.isdigit() for letter in value)
