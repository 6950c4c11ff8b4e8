/** tshark, for what it makes of a capture without being told anything. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

export const TSHARK = '/usr/bin/tshark'

const run = promisify(execFile)

export interface Decoded {
  readonly unit: number
  readonly function: number
  readonly address: number | null
  readonly count: number | null
  /** Registers of an answer and where they stand. */
  readonly registers: Readonly<Record<number, number>>
  readonly exception: number | null
  /** Frame it answers, counted from 1. */
  readonly answers: number | null
}

const FIELDS = [
  'mbrtu.unit_id',
  'mbtcp.unit_id',
  'modbus.func_code',
  'modbus.reference_num',
  'modbus.word_cnt',
  'modbus.bit_cnt',
  'modbus.regnum16',
  'modbus.regval_uint16',
  'modbus.exception_code',
  'modbus.request_frame',
]

/** Every packet in which tshark sees Modbus, null for one in which it does not. */
export async function decode(file: string): Promise<readonly (Decoded | null)[]> {
  const words = ['-r', file, '-T', 'fields', ...FIELDS.flatMap((field) => ['-e', field])]
  const { stdout } = await run(TSHARK, words)
  return stdout
    .replace(/\n$/, '')
    .split('\n')
    .map((line) => {
      const [rtu, tcp, code, address, words, bits, numbers, values, exception, answers] = line.split('\t')
      const unit = rtu || tcp
      if (!unit || !code) return null
      const at = numbers ? numbers.split(',') : []
      const held = values ? values.split(',') : []
      return {
        unit: Number(unit),
        function: Number(code),
        address: numberIn(address),
        count: numberIn(words || bits),
        registers: Object.fromEntries(at.map((number, index) => [number, Number(held[index])])),
        exception: numberIn(exception),
        answers: numberIn(answers),
      }
    })
}

/** What tshark complains of: checksums, sequence numbers, malformed packets. */
export async function complaints(file: string): Promise<string> {
  const checks = ['-o', 'tcp.check_checksum:TRUE', '-o', 'ip.check_checksum:TRUE', '-o', 'mbrtu.crc_verification:TRUE']
  const wrong =
    'tcp.checksum.status == 0 || ip.checksum.status == 0 || mbrtu.crc16.status == 0 || tcp.analysis.flags || _ws.malformed'
  return (await run(TSHARK, ['-r', file, ...checks, '-Y', wrong])).stdout
}

function numberIn(text: string | undefined): number | null {
  return text ? Number(text) : null
}
