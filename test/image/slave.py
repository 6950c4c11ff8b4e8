"""The slave of the reference chain at the end of a serial wire that QEMU brings to a TCP port: unit 1, temperature (280–310) in 40001
and humidity (700–730) in 40002, each read a step of a walk. RTU frames, by pymodbus.

Usage: slave.py PORT, prints "ready", and "asked" when it is first read.
"""
import asyncio
import random
import sys

from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server import async_io
from pymodbus.transaction import ModbusRtuFramer


class Walk(ModbusSequentialDataBlock):
    asked = False

    def getValues(self, address, count=1):
        if not self.asked:
            self.asked = True
            print("asked", flush=True)
        if address <= 1:
            self.values[0] = min(310, max(280, self.values[0] + random.randint(-2, 2)))
            self.values[1] = min(730, max(700, self.values[1] + random.randint(-2, 2)))
        return super().getValues(address, count)


async def main():
    store = ModbusSlaveContext(hr=Walk(0, [295, 715] + [0] * 98), zero_mode=True)
    context = ModbusServerContext(slaves={1: store}, single=False)
    print("ready", flush=True)
    await async_io.StartAsyncTcpServer(
        context=context, address=("127.0.0.1", int(sys.argv[1])), framer=ModbusRtuFramer, allow_reuse_address=True
    )


asyncio.run(main())
