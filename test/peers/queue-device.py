"""A pymodbus device whose queue (FC24, address 10) holds a running number: the next one every so many milliseconds while there is
room. It stays until the count that was read is written to holding register 50.

Usage: queue-device.py PORT MS LEDGER, prints "ready"; LEDGER: how many numbers were ever put in.
"""
import asyncio
import struct
import sys

from pymodbus import file_message
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server import async_io

queue, made = [], 0


def encode_queue(response):
    count = len(response.values)
    return struct.pack(f">HH{count}H", 2 + 2 * count, count, *response.values)


class Registers(ModbusSequentialDataBlock):
    def setValues(self, address, values):
        super().setValues(address, values)
        if address == 50:
            del queue[: values[0]]


file_message.ReadFifoQueueRequest.execute = lambda request, _: file_message.ReadFifoQueueResponse(list(queue))
file_message.ReadFifoQueueResponse.encode = encode_queue
store = ModbusSlaveContext(hr=Registers(0, [0] * 100), zero_mode=True)


async def fill(pause, ledger):
    global made
    while True:
        if len(queue) < 31:
            queue.append(made)
            made += 1
            with open(ledger, "w") as file:
                file.write(str(made))
        await asyncio.sleep(pause)


async def main():
    asyncio.get_running_loop().create_task(fill(int(sys.argv[2]) / 1000, sys.argv[3]))
    print("ready", flush=True)
    context = ModbusServerContext(slaves={1: store}, single=False)
    await async_io.StartAsyncTcpServer(context=context, address=("127.0.0.1", int(sys.argv[1])))


asyncio.run(main())
