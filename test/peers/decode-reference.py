"""Registers to values a second time, plainly, by Python's own struct, datetime and zoneinfo, and by pymodbus' payload decoder where
it has the type. Reads one JSON list of cases from stdin and writes one list of texts: what each value is.
"""
import json
import struct
import sys
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from pymodbus.constants import Endian
from pymodbus.payload import BinaryPayloadDecoder

LETTERS = "ABCDEFGH"
STRUCT = {"int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "uint64": "Q"}
STRUCT |= {"float16": "e", "float32": "f", "float64": "d"}
PYMODBUS = {
    "int16": "decode_16bit_int",
    "uint16": "decode_16bit_uint",
    "int32": "decode_32bit_int",
    "uint32": "decode_32bit_uint",
    "int64": "decode_64bit_int",
    "uint64": "decode_64bit_uint",
    "float16": "decode_16bit_float",
    "float32": "decode_32bit_float",
    "float64": "decode_64bit_float",
}
ENDIANS = {
    "ABCD": (Endian.Big, Endian.Big),
    "CDAB": (Endian.Big, Endian.Little),
    "BADC": (Endian.Little, Endian.Big),
    "DCBA": (Endian.Little, Endian.Little),
}
NONE, BAD = "no value", "not decodable"


def letters(order, width):
    """What stands on the wire, first byte first, for one of the four orders that any width has."""
    words = [LETTERS[at : at + 2] for at in range(0, width, 2)]
    if order in ("CDAB", "DCBA"):
        words.reverse()
    if order in ("BADC", "DCBA"):
        words = [word[::-1] for word in words]
    return "".join(words)


def arranged(wire, order):
    width = len(wire)
    there = order if len(order) == width and order not in ENDIANS else letters(order, width)
    return bytes(wire[there.index(letter)] for letter in LETTERS[:width])


def bcd(raw):
    digits = raw.hex()
    return int(digits) if digits.isdigit() else BAD


def moment(case, raw):
    layout, zone = case["layout"], case.get("zone", "UTC")
    try:
        late = True
        if layout == "unix":
            local = datetime(1970, 1, 1) + timedelta(seconds=int.from_bytes(raw, "big"))
        elif layout == "unix-ms":
            local = datetime(1970, 1, 1) + timedelta(milliseconds=int.from_bytes(raw, "big"))
        elif layout == "since-2000":
            local = datetime(2000, 1, 1) + timedelta(seconds=int.from_bytes(raw, "big"))
        elif layout == "ymdhms":
            year, *rest = raw if len(raw) == 6 else struct.unpack(">6H", raw)
            if len(raw) == 6 and year > 99:
                return BAD
            local = datetime(2000 + year if year < 100 else year, *rest)
        elif layout == "iec870":
            if raw[5] & 0x80:
                return NONE
            millis = int.from_bytes(raw[6:8], "big")
            if millis > 59999:
                return BAD
            fields = 2000 + (raw[1] & 0x7F), raw[2] & 15, raw[3] & 31, raw[4] & 31, raw[5] & 63
            local = datetime(*fields) + timedelta(milliseconds=millis)
            late = not raw[4] & 0x80
        else:
            parts = [bcd(raw[at : at + 1]) for at in range(6)]
            if BAD in parts:
                return BAD
            parts[0] += 1900 if parts[0] >= 90 else 2000
            millis = 0
            if len(raw) == 8:
                high = bcd(raw[6:7])
                if high == BAD or raw[7] >> 4 > 9:
                    return BAD
                millis = high * 10 + (raw[7] >> 4)
            local = datetime(*parts) + timedelta(milliseconds=millis)
    except (ValueError, OverflowError):
        return BAD
    offset = zone[0] in "+-"
    there = (
        timezone(timedelta(hours=int(zone[:3]), minutes=int(zone[0] + zone[4:]))) if offset else ZoneInfo(zone)
    )
    first = local.replace(tzinfo=there, fold=0)
    left_out = first.astimezone(timezone.utc).astimezone(there).replace(tzinfo=None) != local
    if left_out or first.utcoffset() == local.replace(tzinfo=there, fold=1).utcoffset():
        # In the hour that spring leaves out the clock was not put forward yet.
        late = False
    utc = local.replace(tzinfo=there, fold=int(late)).astimezone(timezone.utc)
    fine = layout in ("unix-ms", "iec870") or (layout == "bcd" and len(raw) == 8)
    return utc.isoformat(timespec="milliseconds" if fine else "seconds").replace("+00:00", "Z")


def decoded(case):
    wire, kind, order = bytes.fromhex(case["hex"]), case["type"], case["order"]
    if kind in PYMODBUS and case.get("by") == "pymodbus":
        byteorder, wordorder = ENDIANS[order]
        words = [int.from_bytes(wire[at : at + 2], "big") for at in range(0, len(wire), 2)]
        decoder = BinaryPayloadDecoder.fromRegisters(words, byteorder=byteorder, wordorder=wordorder)
        return getattr(decoder, PYMODBUS[kind])()
    if kind in ("int8", "uint8"):
        return int.from_bytes(wire[:1] if case["byte"] == "high" else wire[1:], "big", signed=kind == "int8")
    if kind in ("string", "bytes"):
        if "byte" in case:
            raw = wire[0::2] if case["byte"] == "high" else wire[1::2]
        elif order == "BA":
            raw = b"".join(wire[at : at + 2][::-1] for at in range(0, len(wire), 2))
        else:
            raw = wire
        raw = raw[: case["length"]]
        if kind == "bytes":
            return raw.hex()
        try:
            return raw.split(b"\0")[0].decode(case["charset"]).rstrip()
        except UnicodeDecodeError:
            return BAD
    if kind == "datetime":
        raw = wire if case["layout"] in ("ymdhms", "bcd") else arranged(wire, order)
        return moment(case, raw)
    raw = arranged(wire, order)
    if "bits" in case:
        low, high = case["bits"]
        return int.from_bytes(raw, "big") >> low & ((1 << high - low + 1) - 1)
    if kind in STRUCT:
        return struct.unpack(">" + STRUCT[kind], raw)[0]
    if kind in ("int48", "uint48"):
        return int.from_bytes(raw, "big", signed=kind == "int48")
    if kind in ("bcd16", "bcd32"):
        return bcd(raw)
    if kind == "signmag16":
        word = int.from_bytes(raw, "big")
        return -(word & 0x7FFF) if word & 0x8000 else word
    if kind == "mod10k":
        words = struct.unpack(f">{len(raw) // 2}h", raw)
        if any(abs(word) > 9999 for word in words) or (min(words) < 0 < max(words)):
            return BAD
        total = 0
        for word in words:
            total = total * 10000 + word
        return total
    raise ValueError(kind)


def text(value):
    return repr(value) if isinstance(value, float) else str(value)


cases = json.load(sys.stdin)
json.dump([text(decoded(case)) for case in cases], sys.stdout)
