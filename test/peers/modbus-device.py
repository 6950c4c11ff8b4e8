"""A pymodbus device, unit 1, whose holding registers pymodbus' own payload builder filled: every type in every byte and word order.

Usage: modbus-device.py TABLE tcp PORT | TABLE rtu-over-tcp PORT | TABLE rtu PTY BAUD | TABLE ascii PTY BAUD. Writes what stands where to TABLE, then
prints "ready".
"""
import asyncio
import json
import sys

from pymodbus.constants import Endian
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.payload import BinaryPayloadBuilder
from pymodbus.server import async_io
from pymodbus.transaction import ModbusAsciiFramer, ModbusRtuFramer

BITS = [n % 3 == 0 for n in range(200)]
INPUTS = [n * 7 % 65536 for n in range(200)]
VALUES = [
    ("int16", "add_16bit_int", -12345),
    ("uint16", "add_16bit_uint", 54321),
    ("float16", "add_16bit_float", -1.5),
    ("int32", "add_32bit_int", -123456789),
    ("uint32", "add_32bit_uint", 3123456789),
    ("float32", "add_32bit_float", 1.17549e-12),
    ("int64", "add_64bit_int", -1234567890123456789),
    ("uint64", "add_64bit_uint", 17234567890123456789),
    ("float64", "add_64bit_float", 2.718281828459045),
]


def order_of(builder_keys, width):
    """What pymodbus makes of bytes named A, B, C, …: our word for the order."""
    builder = BinaryPayloadBuilder(**builder_keys)
    add = {2: builder.add_16bit_uint, 4: builder.add_32bit_uint, 8: builder.add_64bit_uint}[width]
    add(int.from_bytes(b"ABCDEFGH"[:width], "big"))
    return b"".join(register.to_bytes(2, "big") for register in builder.to_registers()).decode()


holding, table = [], []
for byteorder in (Endian.Big, Endian.Little):
    for wordorder in (Endian.Big, Endian.Little):
        keys = {"byteorder": byteorder, "wordorder": wordorder}
        for kind, method, value in VALUES:
            builder = BinaryPayloadBuilder(**keys)
            getattr(builder, method)(value)
            registers = builder.to_registers()
            order = order_of(keys, 2 * len(registers))
            table.append({"type": kind, "order": order, "address": len(holding), "value": str(value)})
            holding += registers
text = BinaryPayloadBuilder(byteorder=Endian.Big, wordorder=Endian.Big)
text.add_string("press-3 ulm")
table.append({"type": "string", "order": "AB", "address": len(holding), "length": 12, "value": "press-3 ulm"})
holding += text.to_registers()
free = len(holding)
holding += [0] * (400 - free)

store = ModbusSlaveContext(
    co=ModbusSequentialDataBlock(0, list(BITS)),
    di=ModbusSequentialDataBlock(0, [not bit for bit in BITS]),
    ir=ModbusSequentialDataBlock(0, INPUTS),
    hr=ModbusSequentialDataBlock(0, holding),
    zero_mode=True,
)
context = ModbusServerContext(slaves={1: store}, single=False)


async def main():
    mode, where = sys.argv[2:4]
    with open(sys.argv[1], "w") as file:
        json.dump({"table": table, "free": free}, file)
    print("ready", flush=True)
    if mode in ("rtu", "ascii"):
        await async_io.StartAsyncSerialServer(
            context=context,
            framer=ModbusAsciiFramer if mode == "ascii" else ModbusRtuFramer,
            port=where,
            baudrate=int(sys.argv[4]),
            autoreconnect=True,
        )
    else:
        framer = {"framer": ModbusRtuFramer} if mode == "rtu-over-tcp" else {}
        await async_io.StartAsyncTcpServer(context=context, address=("127.0.0.1", int(where)), **framer)


asyncio.run(main())
