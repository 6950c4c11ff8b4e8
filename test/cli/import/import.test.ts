import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { fieldgate } from '../fieldgate.ts'

const folder = mkdtempSync(join(tmpdir(), 'fieldgate-import-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const NEURON =
  '{ "tags": [ { "name": "a", "address": "1!40001", "type": 3, "attribute": 1 }, { "name": "b", "address": "x", "type": 3 } ] }'

describe('import', () => {
  it('prints a configuration that check accepts; what was left out is on stderr and at its end', async () => {
    const telegraf = file(
      'telegraf.conf',
      '[[inputs.modbus]]\nname="p"\nslave_id=1\ncontroller="tcp://127.0.0.1:502"\nodd=1\ncoils=[{name="a",address=[0]}]\n',
    )
    const { status, out, err } = await fieldgate(['import', telegraf])
    expect(status).toBe(0)
    expect(err).toBe(
      'Note: [[inputs.modbus]] 1: odd is not carried over\nNote: [[inputs.modbus]] 1, coils "a": is 0 or 1 in Telegraf and false or true here\n1 tag of 1 device, 2 notes.\n',
    )
    expect(out).toMatch(/^# Imported from telegraf\.conf/)
    expect(out).toMatch(/# - \[\[inputs\.modbus\]\] 1: odd is not carried over/)
    const checked = await fieldgate(['check', '--config', file('out.yaml', out)])
    expect(checked.status).toBe(0)
    expect(checked.out).toContain('1 connection, 1 device, 1 group, 1 tag')
  })

  it('takes the connection of the configuration where the file names none, and writes a fragment', async () => {
    const config = file('gateway.yaml', 'connections: { plc: { driver: modbus-tcp, host: 10.0.0.1 } }\n')
    const output = join(folder, 'fragment.yaml')
    const args = [
      'import',
      file('n.json', NEURON),
      '--connection',
      'plc',
      '--config',
      config,
      '--output',
      output,
      '--json',
    ]
    const { status, out } = await fieldgate(args)
    expect(status).toBe(0)
    expect(JSON.parse(out)).toMatchObject({
      ok: true,
      tags: 1,
      devices: ['neuron'],
      output,
      notes: [{ place: 'tags[1] "b"' }],
    })
    const text = readFileSync(output, 'utf8')
    expect(text).not.toContain('connections:')
    expect(text).toContain('connection: plc')
    const again = await fieldgate(args)
    expect(again.status).toBe(1)
    expect(again.err).toContain('exists already')
  })

  it('says what to fill in where nobody knows the connection', async () => {
    const { status, out, err } = await fieldgate([
      'import',
      file('n2.json', NEURON),
      '--config',
      join(folder, 'none.yaml'),
    ])
    expect(status).toBe(0)
    expect(out).toContain('  field: { driver: modbus-tcp, host: 127.0.0.1 }')
    expect(err).toContain('the file does not say where the devices are: fill in driver and host')
  })

  it('ends with 1 when nothing could be carried over, and with its place when the file is malformed', async () => {
    const nothing = await fieldgate(['import', file('x.json', NEURON.replace('1!40001', 'y')), '--json'])
    expect(nothing.status).toBe(1)
    expect(JSON.parse(nothing.out)).toMatchObject({ ok: false, tags: 0, notes: [{}, {}] })
    const malformed = await fieldgate(['import', file('bad.toml', '[[inputs.modbus]]\nname = \n')])
    expect(malformed.status).toBe(1)
    expect(malformed.err).toMatch(/^fieldgate: bad\.toml:2:8: this is not TOML/)
    expect((await fieldgate(['import', join(folder, 'nowhere.csv')])).err).toContain('nowhere.csv: does not exist')
    expect((await fieldgate(['import', file('what.txt', 'hello')])).err).toContain('name it with --format')
  })

  it('is used wrongly with 2', async () => {
    expect((await fieldgate(['import'])).status).toBe(2)
    expect((await fieldgate(['import', 'a', 'b'])).status).toBe(2)
    expect((await fieldgate(['import', 'a', '--format', 'xml'])).status).toBe(2)
  })
})
