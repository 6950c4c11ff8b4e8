/** `import --sunspec` through a running gateway, from a pymodbus inverter; and what it imports, read by that gateway. */
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ValueRow } from '../../src/console/terminal/rows.ts'
import { ended, fieldgate, freePort, gateway, started, until } from './processes.ts'

const PYMODBUS = '/usr/lib/python3/dist-packages/pymodbus/version.py'
const absent = !existsSync(PYMODBUS)
if (absent) console.error(`SKIPPED: SunSpec against pymodbus, for want of ${PYMODBUS}`)

const folder = mkdtempSync(join(tmpdir(), 'fieldgate-sunspec-'))
const file = join(folder, 'gateway.yaml')
const children: ChildProcess[] = []
let head = ''

beforeAll(async () => {
  if (absent) return
  const port = await freePort()
  const script = new URL('./sunspec-device.py', import.meta.url).pathname
  children.push(await started('/usr/bin/python3', [script, String(port)], /ready/))
  head = `connections: { pv: { driver: modbus-tcp, host: 127.0.0.1, port: ${port}, timeout: 1s } }\nlog: { path: log, quota: 16MiB }\n`
  writeFileSync(file, head)
  children.push(await gateway(file))
})

afterAll(async () => {
  for (const child of children.reverse()) await ended(child)
  rmSync(folder, { recursive: true, force: true })
})

describe.skipIf(absent)('a SunSpec device on a running gateway', () => {
  it('becomes a device whose values are in engineering units', async () => {
    const output = join(folder, 'imported.yaml')
    let imported = await fieldgate('import', '--sunspec', 'pv', '126', '--config', file, '--output', output)
    // The connection is opened when it is first asked.
    if (imported.status === 4)
      imported = await until('the device', async () => {
        const again = await fieldgate('import', '--sunspec', 'pv', '126', '--config', file, '--output', output)
        return again.status === 4 ? undefined : again
      })
    expect(imported.stderr).not.toContain('fieldgate:')
    expect(imported.status).toBe(0)
    const notes = imported.stderr.split('\n').filter((line) => line.startsWith('Note: '))
    expect(notes).toEqual([
      'Note: model 1 at holding:40002: not implemented: Opt',
      'Note: model 103 at holding:40070: not implemented: AphC, PPVphAB, PPVphBC, PPVphCA, VA, VA_SF, VAr, VAr_SF, PF_SF, DCA, DCA_SF, DCV, DCV_SF, DCW, DCW_SF, TmpSnk, TmpTrns, TmpOt, StVnd, Evt2, EvtVnd1, EvtVnd2, EvtVnd3, EvtVnd4',
      'Note: model 103 at holding:40070: PF has the scale factor PF_SF, which is not implemented: it is not scaled',
      'Note: model 64001 at holding:40122: a model of the vendor: 3 registers are left out',
      'Note: model 899 at holding:40127: a model that is not known here: 2 registers are left out',
      'Note: model 160 at holding:40131: not implemented: TmsPer, Tms_1, DCW_2, Tms_2, Tmp_2',
      'Note: model 160 at holding:40131: read 0, which is "not implemented" for counters: DCWH_2',
      expect.stringMatching(/^Note: model 213 at holding:40181: not implemented: PhVphA, PhVphB, .*TotVArhExpQ4phB$/),
      'Note: unit 126: the name "Sun 5000" is not possible: here it is "Sun_5000"',
    ])
    const text = readFileSync(output, 'utf8')
    expect(text).toContain('labels:')
    // What hardly changes is read each minute: not for a test to wait for.
    writeFileSync(file, `${head}${text.replaceAll('every: 1m', 'every: 1s')}`)
    expect(await fieldgate('check', '--config', file)).toMatchObject({ status: 0 })
    expect(await fieldgate('apply', '--config', file)).toMatchObject({ status: 0 })
    const rows = await until('all values', async () => {
      const { stdout, status } = await fieldgate('values', 'Sun_5000', '--config', file, '--json')
      const found = status === 0 ? (JSON.parse(stdout) as ValueRow[]) : []
      return new Set(found.map(({ group }) => group)).size === 4 && found
    })
    const values = Object.fromEntries(rows.map(({ group, tag, value }) => [`${group}/${tag}`, value]))
    expect(values).toMatchObject({
      'common-1/Mn': 'Acme',
      'common-1/SN': 'SN-0042',
      'inverter-three-phase-103/A': 12.34,
      'inverter-three-phase-103/PhVphB': 230.2,
      'inverter-three-phase-103/W': -1500,
      'inverter-three-phase-103/Hz': 49.98,
      'inverter-three-phase-103/PF': 950,
      'inverter-three-phase-103/WH': 123_456,
      'inverter-three-phase-103/TmpCab': 41.5,
      'inverter-three-phase-103/St': 'mppt',
      'inverter-three-phase-103/Evt1': 0,
      'mppt-160/IDStr_2': 'West',
      'mppt-160/DCA_1': 5.12,
      'mppt-160/DCV_2': 600.1,
      'mppt-160/DCW_1': 3176,
      'mppt-160/DCWH_1': 9000,
      'mppt-160/Tmp_1': 41,
      'meter-wye-213/A': 1.5,
      'meter-wye-213/PhV': 230.25,
      'meter-wye-213/TotVArhExpQ4phC': 7.5,
    })
    expect(rows.filter(({ quality }) => quality !== 'good')).toEqual([])
  }, 60_000)

  it('that has no SunSpec map, or is not there, is told so', async () => {
    const none = await fieldgate('import', '--sunspec', 'pv', '127', '--config', file)
    expect(none).toMatchObject({ status: 1, stdout: '' })
    expect(none.stderr).toContain('unit 127 on pv has no SunSpec map')
    const wrong = await fieldgate('import', '--sunspec', 'nowhere', '126', '--config', file)
    expect(wrong.status).toBe(1)
    expect((await fieldgate('import', '--sunspec', 'pv', '--config', file)).status).toBe(2)
  }, 30_000)
})
