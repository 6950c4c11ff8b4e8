"""A pymodbus device for writes, units 1 and 2 with 300 holding registers and 300 coils of zero each.

Usage: writes-device.py knows-masks|no-masks tcp PORT | … rtu PTY BAUD, prints "ready". `no-masks`: function 22 draws exception 1.
A serial device carries out broadcasts.
"""
import asyncio
import sys

from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.pdu import ModbusExceptions
from pymodbus.register_write_message import MaskWriteRegisterRequest
from pymodbus.server import async_io
from pymodbus.transaction import ModbusRtuFramer

if sys.argv[1] == "no-masks":
    MaskWriteRegisterRequest.execute = lambda request, _: request.doException(ModbusExceptions.IllegalFunction)


def store():
    return ModbusSlaveContext(
        co=ModbusSequentialDataBlock(0, [False] * 300),
        hr=ModbusSequentialDataBlock(0, [0] * 300),
        zero_mode=True,
    )


context = ModbusServerContext(slaves={1: store(), 2: store()}, single=False)


async def main():
    mode, where = sys.argv[2:4]
    print("ready", flush=True)
    if mode == "rtu":
        await async_io.StartAsyncSerialServer(
            context=context,
            framer=ModbusRtuFramer,
            port=where,
            baudrate=int(sys.argv[4]),
            autoreconnect=True,
            broadcast_enable=True,
        )
    else:
        await async_io.StartAsyncTcpServer(context=context, address=("127.0.0.1", int(where)), allow_reuse_address=True)


asyncio.run(main())
