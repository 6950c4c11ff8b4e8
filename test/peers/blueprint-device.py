"""The blueprint's simulator on pymodbus: unit 1, temperature (280-310) in 40001 and humidity (700-730) in 40002, new each second.

Usage: blueprint-device.py tcp PORT | rtu PTY. Prints "ready", then each pair as it sets it, one JSON line each.
"""
import asyncio
import json
import random
import sys

from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server import async_io
from pymodbus.transaction import ModbusRtuFramer

store = ModbusSlaveContext(hr=ModbusSequentialDataBlock(0, [0] * 100), zero_mode=True)
context = ModbusServerContext(slaves={1: store}, single=False)


async def change():
    while True:
        pair = [random.randint(280, 310), random.randint(700, 730)]
        store.setValues(3, 0, pair)
        print(json.dumps(pair), flush=True)
        await asyncio.sleep(1)


async def main():
    asyncio.create_task(change())
    print("ready", flush=True)
    if sys.argv[1] == "tcp":
        await async_io.StartAsyncTcpServer(context=context, address=("127.0.0.1", int(sys.argv[2])))
    else:
        await async_io.StartAsyncSerialServer(
            context=context, framer=ModbusRtuFramer, port=sys.argv[2], baudrate=9600, autoreconnect=True
        )


asyncio.run(main())
