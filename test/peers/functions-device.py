"""A pymodbus device, unit 1, for functions 20, 22, 23, 24 and 43/14: a file, a queue, an identity and holding registers 0-199
that hold their own address.

Usage: functions-device.py standard|as-shipped tcp PORT | … rtu PTY BAUD, prints "ready". pymodbus 3.0.0rc1 decodes requests of
functions 20 and 24, keeps neither files nor queues, and writes wrong inner lengths into its answers; `standard` gives it both and
writes the answers as V1.1b3 has them (6.14, 6.18), `as-shipped` leaves its own encoding.
"""
import asyncio
import struct
import sys

from pymodbus import file_message
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.device import ModbusDeviceIdentification
from pymodbus.pdu import ModbusExceptions
from pymodbus.server import async_io
from pymodbus.transaction import ModbusRtuFramer

FILES = {4: [n * 3 for n in range(300)]}
QUEUES = {1246: [440, 4740], 7: [], 8: list(range(31))}


def read_file(request, _context):
    records = []
    for asked in request.records:
        content = FILES.get(asked.file_number)
        if content is None or asked.record_number + asked.record_length > len(content):
            return request.doException(ModbusExceptions.IllegalAddress)
        part = content[asked.record_number : asked.record_number + asked.record_length]
        records.append(file_message.FileRecord(record_data=b"".join(struct.pack(">H", word) for word in part)))
    return file_message.ReadFileRecordResponse(records)


def read_queue(request, _context):
    values = QUEUES.get(request.address)
    if values is None:
        return request.doException(ModbusExceptions.IllegalAddress)
    return file_message.ReadFifoQueueResponse(values)


def encode_file(response):
    parts = [struct.pack(">BB", 1 + len(record.record_data), 6) + record.record_data for record in response.records]
    content = b"".join(parts)
    return struct.pack("B", len(content)) + content


def encode_queue(response):
    count = len(response.values)
    return struct.pack(f">HH{count}H", 2 + 2 * count, count, *response.values)


file_message.ReadFileRecordRequest.execute = read_file
file_message.ReadFifoQueueRequest.execute = read_queue
if sys.argv[1] == "standard":
    file_message.ReadFileRecordResponse.encode = encode_file
    file_message.ReadFifoQueueResponse.encode = encode_queue

store = ModbusSlaveContext(hr=ModbusSequentialDataBlock(0, list(range(200))), zero_mode=True)
context = ModbusServerContext(slaves={1: store}, single=False)
identity = ModbusDeviceIdentification(
    info_name={
        "VendorName": "Acme Instruments",
        "ProductCode": "PM-5",
        "MajorMinorRevision": "V1.2",
        "VendorUrl": "http://acme.example",
        "ProductName": "Power Meter 5",
        "ModelName": "PM-5/L",
    }
)
identity.update({0x80: "board 4", 0x81: "x" * 200})


async def main():
    mode, where = sys.argv[2:4]
    print("ready", flush=True)
    if mode == "rtu":
        await async_io.StartAsyncSerialServer(
            context=context,
            identity=identity,
            framer=ModbusRtuFramer,
            port=where,
            baudrate=int(sys.argv[4]),
            autoreconnect=True,
        )
    else:
        await async_io.StartAsyncTcpServer(context=context, identity=identity, address=("127.0.0.1", int(where)))


asyncio.run(main())
