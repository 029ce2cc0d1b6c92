"""What Python and Ceilometer make of many values, as one JSON object a line.

All input is made here, from a fixed seed: `crates/model/tests/oracle.rs` reads input and answer together. Strings
with lone surrogates are left out of answers, for Rust cannot hold them; `lone` says so.
"""
import json
import math
import random
import struct
import sys
import unicodedata

from ceilometer.event import models
from ceilometer.publisher import utils
from oslo_utils import timeutils

SEED = 20260721
SECRET = "change this for valid signing"
rand = random.Random(SEED)


def emit(kind, **fields):
    sys.stdout.write(json.dumps({"kind": kind, **fields}) + "\n")


def outcome(function, *arguments):
    """The answer, or None where Python raises."""
    try:
        return function(*arguments)
    except Exception:
        return None


# ---- values ---------------------------------------------------------------------------------------------------------

CHARACTERS = [
    " ", "a", "b", "Z", "0", "'", '"', "\\", "/", "\n", "\r", "\t", "\b", "\f", "\0", "\x1b", "\x7f", "\x80", "\x85",
    "\xa0", "\xad", "é", "ß", "\u0130", "\u0300", "\u200b", "\u2028", "\ue000", "\ufdd0", "\ufffd", "\uffff", "€", "漢",
    "😀", "\U00010000", "\U000e0001", "\U0010ffff", "{", "}", ":", ",", "message_signature", "ключ",
]


def text():
    return "".join(rand.choice(CHARACTERS) for _ in range(rand.choice([0, 1, 2, 3, 8, 20])))


def number():
    choice = rand.randrange(12)
    if choice == 0:
        return rand.choice([0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64, -(2**63) - 1, 10**25, -(10**40)])
    if choice < 4:
        return rand.randrange(-1000, 1000)
    if choice == 4:
        return rand.choice([0.0, -0.0, math.nan, math.inf, -math.inf, 5e-324, 1.7976931348623157e308, 1e16, 1e-5, 1e22])
    if choice < 8:
        return round(rand.uniform(-1000, 1000), rand.randrange(8))
    if choice == 8:
        # Halfway between two decimals of as many digits as a double needs.
        return rand.getrandbits(53) / 2.0 ** rand.randrange(1, 20)
    if choice < 10:
        return rand.uniform(1, 10) * 10.0 ** rand.randrange(-30, 30)
    return struct.unpack("<d", struct.pack("<Q", rand.getrandbits(64)))[0]


def value(depth):
    choice = rand.randrange(10 if depth else 6)
    if choice == 0:
        return rand.choice([None, True, False])
    if choice < 3:
        return number()
    if choice < 6:
        return text()
    if choice < 8:
        return [value(depth - 1) for _ in range(rand.randrange(5))]
    return {text(): value(depth - 1) for _ in range(rand.randrange(6))}


def values():
    for _ in range(4000):
        item = value(4)
        spellings = [
            json.dumps(item),
            json.dumps(item, ensure_ascii=False, separators=(",", ":")),
            json.dumps(item, indent=rand.randrange(3)),
        ]
        message = {text(): value(3) for _ in range(rand.randrange(6))}
        emit(
            "value",
            text=rand.choice(spellings),
            dumps=json.dumps(item),
            str=str(item),
            repr=repr(item),
            message=json.dumps(message),
            signature=utils.compute_signature(message, SECRET),
        )
    for _ in range(4000):
        item = number()
        emit("value", text=json.dumps(item), dumps=json.dumps(item), str=str(item), repr=repr(item), message="{}",
             signature=utils.compute_signature({}, SECRET))


# ---- JSON texts, most of them broken --------------------------------------------------------------------------------

SEEDS = [
    '{"a": [1, -2.5e3, null, true, false], "b": {"c": "\\u00e9\\n"}}', "[NaN, Infinity, -Infinity]", "-0", "[0.1e-7]",
    '"\\ud83d\\ude00"', '"\\ud800"', '"\\udc00\\ud800\\u0041"', '{"a": 1, "a": 2}', "[1, 2, 3,]", "01", "1.", ".5",
    "1e5", "1E+5", "+1", "tru", "nul", '"tab\there"', '{"a" 1}', "{,}", "[,]", "", " ", '"', "123456789012345678901234567890",
    "1e400", "-1e400", "1e-400", '"\\x41"', '"\\u12"', "\ufeff1", "[1]x", "'a'", "{1: 2}", "// c", "0x10", "1_000",
]
PIECES = ["{", "}", "[", "]", ",", ":", '"', "\\", "u", "0", "1", "e", "E", "-", "+", ".", "null", "NaN", "Infinity",
          " ", "\n", "\x00", "é", "\\ud83d", "\\u00e9", '"a"', "true", "\\n", "/"]


def broken():
    for seed in SEEDS:
        yield seed
    for _ in range(6000):
        seed = list(rand.choice(SEEDS))
        for _ in range(rand.randrange(1, 4)):
            place = rand.randrange(len(seed) + 1)
            action = rand.randrange(3)
            if action == 0:
                seed.insert(place, rand.choice(PIECES))
            elif action == 1 and seed:
                del seed[place % len(seed)]
            elif seed:
                seed[place % len(seed)] = rand.choice(PIECES)
        yield "".join(seed)


def texts():
    for item in broken():
        try:
            parsed = json.loads(item.encode().decode())
        except ValueError:
            emit("json", text=item, ok=False)
            continue
        dumps = json.dumps(parsed)
        try:
            json.dumps(parsed, ensure_ascii=False).encode()
            emit("json", text=item, ok=True, lone=False, dumps=dumps)
        except UnicodeEncodeError:
            emit("json", text=item, ok=True, lone=True)


# ---- times ----------------------------------------------------------------------------------------------------------

TIMES = [
    "2026-07-21T13:56:12.123456+00:00", "2026-07-21 13:56:12", "2026-07-21T13:56:12Z", "2026-07-21", "2026-07", "2026",
    "20260721", "20260721T135612", "202607", "2026-7-1T1:2", "2026-123", "2026-1-23", "2026-07-21T13", "2026-07-21T13:5",
    "2026-07-21T1356", "2026-07-21T13:56.5", "2026-07-21T13:56:12,5", "2026-07-21T13:56:12+05:30", "2026-07-21T13+05",
    "2026-07-21T13:56:12-0530", "2026-07-21T13:56:12+05:", "2026-07-21T13:56:12+23:59", "2026-07-21T13:56:12-23:99",
    "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-00:01", "9999-12-31T23:59:59.999999", "2024-02-29", "2023-02-29",
    "2026-07-21T24:00:00", "2026-07-21T23:59:60", "2026-13-01", "2026-00-10", "0000-01-01", "2026-07-21\n", "2026-07-21\n\n",
    "2026-07-21T13:56:12.", "2026-07-21T13:56:12.9999999", "2026-07-21T13:56:12." + "9" * 27, "2026-07-21T13:56:12." + "9" * 28,
    "2026-07-21T13:56:12." + "9" * 28 + "4", "2026-07-21T13:56:12." + "9" * 28 + "5", "2026-07-21T13:56:12." + "9" * 40,
    "2026-07-21T13:56:12.1234569" + "9" * 40, "2026-07-21T13:56:12.000000" + "9" * 22 + "5", "2026-07-21T13:56:12." + "0" * 60,
    "2026-07-21T13:56:12.12345649999999999999999999995", "2026-07-21T13:56:12.12345699999999999999999999985",
    "٢٠٢٦-07-21", "now", "", " 2026-07-21", "2026-07-21 ", "2026-07-21  13:56", "2026-07-21t13:56", "2026-07-21T13:56z",
]


def when():
    yield from TIMES
    for _ in range(6000):
        item = list(rand.choice(TIMES))
        for _ in range(rand.randrange(1, 4)):
            place = rand.randrange(len(item) + 1)
            action = rand.randrange(3)
            piece = rand.choice("0123456789-:.,T Z+\n")
            if action == 0:
                item.insert(place, piece)
            elif action == 1 and item:
                del item[place % len(item)]
            elif item:
                item[place % len(item)] = piece
        yield "".join(item)
    for _ in range(2000):
        year = rand.randrange(1, 10000)
        item = f"{year:04}-{rand.randrange(1, 13):02}-{rand.randrange(1, 29):02}"
        item += rand.choice("T ") + f"{rand.randrange(24):02}:{rand.randrange(60):02}:{rand.randrange(60):02}"
        item += rand.choice(["", f".{rand.randrange(10**6):06}", f".{rand.randrange(10**3):03}"])
        yield item + rand.choice(["", "Z", "+00:00", f"{rand.choice('+-')}{rand.randrange(24):02}:{rand.randrange(60):02}"])


def times():
    earlier = None
    for item in when():
        parsed = outcome(timeutils.parse_isotime, item)
        if parsed is None:
            emit("time", text=item, iso=None)
            continue
        naive = outcome(timeutils.normalize_time, parsed)
        seconds = None if earlier is None else (parsed - earlier[1]).total_seconds()
        emit(
            "time", text=item, iso=parsed.isoformat(), naive=None if naive is None else naive.isoformat(),
            str=None if naive is None else str(naive), repr=None if naive is None else repr(naive),
            since=None if earlier is None else earlier[0], seconds=seconds,
        )
        earlier = (item, parsed)


# ---- conversions ----------------------------------------------------------------------------------------------------

NUMBERS = ["1", "-1", "+1", " 1 ", "1_000", "_1", "1_", "1__0", "0x10", "1.5", "1e3", "1E-3", ".5", "5.", "1.e1", "inf",
           "-Infinity", "nan", "+NaN", "iNfIniTy", "infinit", "", " ", "-", "+", "--1", "1 2", "\x1c7\x1f", "\u20037\u3000",
           "٤٢", "१२.५", "𝟙𝟚", "²", "½", "一", "0" * 30 + "7", "9" * 25, "-" + "9" * 25, "1" * 4300, "1" * 4301, "1e400",
           "-0", "-0.0", "1_0.0_1", "1_e5", "1e1_0", "1e_1", "1._5", "True", "1,5", "1\u00005", "5e-324", "1e-400", "é",
           "\u200b1", "0b1", "00", "1.7976931348623159e308"]


def conversions():
    items = list(NUMBERS)
    for _ in range(1500):
        item = list(rand.choice(NUMBERS[:60]))
        piece = rand.choice("0123456789_-+.eE naif٤")
        place = rand.randrange(len(item) + 1)
        if rand.randrange(2):
            item.insert(place, piece)
        elif item:
            item[place % len(item)] = piece
        items.append("".join(item))
    for item in items + [number() for _ in range(1000)] + [None, True, False, [], {}, [1]]:
        integer = outcome(int, item)
        float_ = outcome(float, item)
        emit(
            "number", value=json.dumps(item), int=None if integer is None else str(integer),
            float=None if float_ is None else repr(float_),
        )


# The Unicode of our tables. Other releases of Python know more or fewer characters; then only those are compared that
# have been there since Unicode 3.2, which each release carries as well.
SAME_UNICODE = unicodedata.unidata_version == "14.0.0"


def known(character):
    source = unicodedata if SAME_UNICODE else unicodedata.ucd_3_2_0
    return source.category(character) != "Cn"


def characters():
    for start in range(0, 0x110000, 0x1000):
        block = [chr(code) for code in range(start, start + 0x1000) if not 0xD800 <= code < 0xE000]
        block = [c for c in block if known(c)]
        emit(
            "characters", all="".join(block), printable="".join("1" if c.isprintable() else "0" for c in block),
            fold=[[c, c.casefold()] for c in block if c.casefold() != c],
            digit=[[c, unicodedata.digit(c)] for c in block if c.isdecimal()],
            space=[c for c in block if c.isspace()],
        )
    if SAME_UNICODE:
        emit("hidden", all="".join(c for c in map(chr, range(0x110000)) if not 0xD800 <= ord(c) < 0xE000
                                   and not c.isprintable() and not known(c)))


def traits():
    """Events and samples in their printed forms are covered with the definitions; here only long texts."""
    for item in [text() * 60 for _ in range(50)]:
        emit("crop", text=item, cropped=models.Trait.convert_value(models.Trait.TEXT_TYPE, item))


sys.set_int_max_str_digits(4300)
values()
texts()
times()
conversions()
characters()
traits()
emit("end")
