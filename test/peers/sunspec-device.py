"""A pymodbus inverter that describes itself, unit 126: SunSpec models packed here by struct, from the specification's tables.

Usage: sunspec-device.py PORT. Prints "ready".
"""
import asyncio
import struct
import sys

from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server import async_io

U, I, NA = 0xFFFF, 0x8000, float("nan")


def words(layout, *values):
    raw = struct.pack(">" + layout, *values)
    return list(struct.unpack(f">{len(raw) // 2}H", raw))


def model(number, body):
    return [number, len(body)] + body


common = words("32s32s16s16s32sHH", b"Acme", b"Sun 5000", b"", b"1.2.3", b"SN-0042", 126, I)
inverter = (
    words("4Hh", 1234, 411, 412, U, -2)  # A, phases (C is not implemented), A_SF
    + words("6Hh", U, U, U, 2301, 2302, 2303, -1)  # line to line is not implemented
    + words("hh", -150, 1)  # W
    + words("Hh", 4998, -2)  # Hz
    + [I, I, I, I]  # VA and VAr with their factors: not implemented
    + [950, I]  # PF, whose factor is not implemented
    + words("Ih", 123456, 0)  # WH
    + [U, I, U, I, I, I]  # DC: by the MPPT model
    + [415, I, I, I] + words("h", -1)  # temperatures
    + [4, U]  # St: MPPT
    + words("6I", 0, *[0xFFFFFFFF] * 5)
)
mppt = words("4hIHH", -2, -1, 0, 0, 0, 2, U)
mppt += words("H16sHHHIIhHI", 1, b"East", 512, 6204, 3176, 9000, 0xFFFFFFFF, 41, 4, 0)
mppt += words("H16sHHHIIhHI", 2, b"West", 498, 6001, U, 0, 0xFFFFFFFF, -32768, 4, 0)
meter = words("61fI", 1.5, 0.5, 0.5, 0.5, 230.25, *[NA] * 55, 7.5, 0)

image = [0x5375, 0x6E53]
image += model(1, common) + model(103, inverter) + model(64001, [1, 2, 3]) + model(899, [9, 9])
image += model(160, mppt) + model(213, meter) + [0xFFFF, 0]

store = ModbusSlaveContext(hr=ModbusSequentialDataBlock(40000, image), zero_mode=True)
context = ModbusServerContext(slaves={126: store, 127: ModbusSlaveContext(hr=ModbusSequentialDataBlock(0, [0] * 9), zero_mode=True)}, single=False)


async def main():
    print("ready", flush=True)
    await async_io.StartAsyncTcpServer(context=context, address=("127.0.0.1", int(sys.argv[1])))


asyncio.run(main())
