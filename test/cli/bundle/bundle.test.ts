/** The archive as a stranger gets it: unpacked by tar, and searched for secrets that stood in every place a secret can stand. */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { ended, freePort, gateway, until } from '../../peers/processes.ts'
import { keep, newFolder } from '../../peers/workshop.ts'
import { fieldgate } from '../fieldgate.ts'
import { tracesOf } from './traces.ts'

const PEM = 'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgplantedkeyplantedkey'
/** By where each of them stands. */
const PLANTED = {
  password: 'pl4nted!password"with\\marks',
  short: 'q7!z',
  userinfo: 'pl4nted-userinfo',
  userinfoCoded: 'pl4nted@coded/word',
  accessToken: 'A1B2C3D4PLANTEDUSER',
  query: 'pl4nted-query-token',
  path: 'hooks-4711-pl4nted',
  keyFile: PEM,
  inlineKey: PEM.replaceAll('planted', 'inlined'),
  env: 'pl4nted-by-environment',
  envInUrl: 'pl4nted-env-in-url',
  envPreset: 'pl4nted-preset',
  file: 'pl4nted in a file',
  label: 'pl4nted-device-comment',
  comment: 'pl4nted-in-a-comment',
  misspelt: 'pl4nted-misspelt',
  author: 'pl4nted-of-the-author',
  template: 'pl4nted-in-a-template',
  earlier: 'pl4nted-earlier-one',
  provisioning: 'pl4nted-provisioning',
  otherVariable: 'pl4nted-variable-of-ours',
  kernel: 'pl4nted-kernel-word',
} as const

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const hex = (text: string): string => Buffer.from(text).toString('hex')

let folder: string
let file: string
let programs: string
let env: Record<string, string>

function script(name: string, text: string): void {
  const said = join(folder, `${name}.said`)
  writeFileSync(said, text)
  writeFileSync(join(programs, name), `#!/bin/sh\ncat ${said}\n`)
  chmodSync(join(programs, name), 0o755)
}

async function plant(): Promise<void> {
  const port = await freePort()
  const { password, short, userinfo, userinfoCoded, accessToken, query, env: fromEnv, earlier, file: inFile } = PLANTED
  writeFileSync(join(folder, 'secret'), `${inFile}\n`)
  writeFileSync(join(folder, 'key.pem'), `-----BEGIN PRIVATE KEY-----\n${PEM}\n-----END PRIVATE KEY-----\n`)
  writeFileSync(join(folder, 'provisioning.yaml'), `wifi: { psk: ${PLANTED.provisioning} }\n`)
  writeFileSync(
    file,
    `# ${PLANTED.comment}
gateway: { id: gw-07 }
x-mine: { w: &w "${PLANTED.author}" }
connections:
  plc: { driver: modbus-tcp, host: 127.0.0.1, port: 1 } # ${PLANTED.comment}
devices:
  oven:
    connection: plc
    unitId: 1
    labels: { comment: "${PLANTED.label}" }
    groups: { g: { tags: { t: { address: "40001", type: int16 } } } }
sinks:
  a: { type: mqtt, url: "mqtt://bob:${userinfo}@127.0.0.1:${port}", password: ${JSON.stringify(password)} }
  b: { type: mqtt, url: "mqtt://bob:${encodeURIComponent(userinfoCoded)}@127.0.0.1:${port}", password: "${short}" }
  c: { type: mqtt, url: "ws://${accessToken}@127.0.0.1:${port}/${PLANTED.path}?token=${query}", password: *w }
  d: { type: mqtt, url: "mqtt://u:\${env:PLANTED_URL}@127.0.0.1:${port}", username: "\${env:PLANTED_ENV}", password: "\${file:secret}" }
  e: { type: mqtt, url: "mqtt://127.0.0.1:${port}", username: svc, password: "\${env:NOT_SET:-${PLANTED.envPreset}}", format: template, template: '{"k":"${PLANTED.template}","t":\${timestamp}}' }
  f:
    type: mqtt
    url: "mqtts://127.0.0.1:${port}"
    tls:
      cert: key.pem
      key: key.pem
  g:
    type: mqtt
    url: "mqtts://127.0.0.1:${port}"
    tls:
      cert: key.pem
      key: |
        -----BEGIN PRIVATE KEY-----
        ${PLANTED.inlineKey}
        -----END PRIVATE KEY-----
log: { path: log, quota: 16MiB }
`,
  )
  env = {
    PATH: `${programs}:${process.env.PATH}`,
    PLANTED_URL: PLANTED.envInUrl,
    PLANTED_ENV: fromEnv,
    OUR_API_TOKEN: PLANTED.otherVariable,
  }
  // What the service once wrote, and what others wrote there.
  const all = Object.values(PLANTED).filter(
    (one) =>
      !['earlier', 'provisioning', 'comment', 'misspelt', 'kernel'].some(
        (key) => PLANTED[key as keyof typeof PLANTED] === one,
      ),
  )
  script(
    'journalctl',
    [
      'an ordinary line',
      ...all.flatMap((secret) => [
        `it says ${secret}`,
        JSON.stringify({ msg: secret }),
        `GET /x?y=${encodeURIComponent(secret)}`,
        `Basic ${base64(`bob:${secret}`)}`,
        `frame ${base64(`x${secret}yy`)} ${hex(secret)} ${hex(secret).replace(/(..)(?=.)/g, '$1 ')}`,
      ]),
      `{"level":40,"password":"${earlier}","msg":"refused"}`,
      `connecting to mqtt://bob:${earlier}@broker`,
      `Authorization: Bearer ${earlier}`,
      `provisioned with psk: ${PLANTED.provisioning}`,
    ].join('\n'),
  )
  script('dmesg', `[0.0] Command line: root=/dev/sda token=${PLANTED.kernel}\n`)
  script('ip', `link\n-----BEGIN EC PRIVATE KEY-----\n${PEM}\n-----END EC PRIVATE KEY-----\n`)
}

interface Told {
  readonly ok: boolean
  readonly file: string
  readonly bytes: number
  readonly parts: readonly { readonly name: string; readonly bytes: number; readonly why?: string }[]
}

async function bundled(): Promise<{ told: Told; files: Map<string, Buffer> }> {
  const out = join(newFolder(), 'b.tar.gz')
  const { status, out: text, err } = await fieldgate(['bundle', '--config', file, '--out', out, '--json'], { env })
  expect(err).toBe('')
  expect(status).toBe(0)
  const told = JSON.parse(text) as Told
  const into = newFolder()
  const tar = spawnSync('tar', ['-xzf', out, '-C', into], { encoding: 'utf8' })
  expect(tar.stderr).toBe('')
  const files = new Map<string, Buffer>()
  const root = join(into, 'fieldgate-bundle')
  for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    if (statSync(join(root, name)).isFile()) files.set(name, readFileSync(join(root, name)))
  }
  return { told, files }
}

beforeEach(async () => {
  folder = newFolder()
  file = join(folder, 'gateway.yaml')
  programs = join(folder, 'programs')
  mkdirSync(programs)
  env = { PATH: `${programs}:${process.env.PATH}` }
})

describe('the archive', () => {
  it('has no secret in it, in whatever form, of a gateway that runs', async () => {
    await plant()
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
    const child = await keep(gateway(file))
    try {
      await until('the socket', async () => (await fieldgate(['status', '--config', file], { env })).status === 0)
      const { told, files } = await bundled()
      expect([...files.keys()].sort()).toEqual(told.parts.map(({ name }) => name).sort())
      expect(tracesOf(Object.values(PLANTED), files)).toEqual([])
      // Nothing of it was to be taken out of what the gateway says by itself.
      const own = await fieldgate(['status', '--config', file, '--json'], { env })
      expect(tracesOf(Object.values(PLANTED), new Map([['report', Buffer.from(own.out)]]))).toEqual([])
      const text = (name: string) => files.get(name)!.toString('utf8')
      expect(text('status.txt')).toContain('gw-07')
      expect(text('status.json')).toContain('"name": "oven"')
      expect(text('metrics.txt')).toContain('fieldgate_sink_state{sink="a"')
      expect(text('check.txt')).not.toMatch(/^not there/)
      expect(text('log/audit.json')).toContain('"holds": true')
      expect(text('frames.txt')).toContain('── plc, around its last faults')
      expect(text('journal.txt')).toContain('an ordinary line')
      for (const name of ['gateway', 'active']) {
        const shown = text(`configuration/${name}.yaml`)
        expect(shown).toContain('driver: modbus-tcp, host: 127.0.0.1, port: 1')
        expect(shown).toContain('password: "${file:secret}"')
        expect(shown).toContain('key: key.pem')
      }
    } finally {
      vi.unstubAllEnvs()
      await ended(child)
    }
  }, 120_000)

  it('is made also where nothing runs, and each part that is not there says why', async () => {
    await plant()
    script('dmesg', '')
    writeFileSync(
      join(programs, 'dmesg'),
      '#!/bin/sh\necho "dmesg: read kernel buffer failed: Operation not permitted" >&2\nexit 1\n',
    )
    const { told, files } = await bundled()
    expect(tracesOf(Object.values(PLANTED), files)).toEqual([])
    const why = (name: string) => told.parts.find((part) => part.name === name)?.why
    expect(why('status.txt')).toMatch(/no gateway is running here/)
    expect(why('log/status.txt')).toMatch(/log/)
    expect(why('system/kernel.txt')).toBe('dmesg: dmesg: read kernel buffer failed: Operation not permitted')
    expect(files.get('system/kernel.txt')!.toString()).toMatch(/^not there: dmesg/)
    expect(why('configuration/gateway.yaml')).toBe(undefined)
    expect(why('configuration/active.yaml')).toMatch(/does not exist/)
  }, 60_000)

  it('is made of a configuration that is wrong, or no YAML at all, and shows no secret of it', async () => {
    await plant()
    const text = readFileSync(file, 'utf8')
    writeFileSync(
      file,
      text.replace('password: *w', `pasword: "${PLANTED.misspelt}"`).replace('modbus-tcp', PLANTED.misspelt),
    )
    const wrong = await bundled()
    expect(wrong.files.get('check.txt')!.toString()).toContain('pasword')
    expect(tracesOf(Object.values(PLANTED), wrong.files)).toEqual([])
    writeFileSync(file, text.replace('sinks:', 'sinks: {{'))
    const broken = await bundled()
    expect(broken.files.get('configuration/gateway.yaml')!.toString()).toContain('connections: «removed»')
    const told = Object.entries(PLANTED).filter(
      ([key]) => !['short', 'env', 'envInUrl', 'file', 'keyFile'].includes(key),
    )
    const own = new Map([...broken.files].filter(([name]) => !['journal.txt', 'system/addresses.txt'].includes(name)))
    expect(
      tracesOf(
        told.map(([, secret]) => secret),
        own,
      ),
    ).toEqual([])
    writeFileSync(file, '')
    expect((await bundled()).told.ok).toBe(true)
  }, 60_000)

  it('is its owner’s alone, in an order that is always the same, and never over another file', async () => {
    writeFileSync(file, 'log: { path: log }\n')
    const out = join(folder, 'b.tar.gz')
    expect((await fieldgate(['bundle', '--config', file, '--out', out], { env })).status).toBe(0)
    expect(statSync(out).mode & 0o777).toBe(0o600)
    const again = await fieldgate(['bundle', '--config', file, '--out', out], { env })
    expect(again.status).toBe(1)
    expect(again.err).toContain('exists already')
    const other = join(folder, 'c.tar.gz')
    await fieldgate(['bundle', '--config', file, '--out', other], { env })
    const names = (path: string) => spawnSync('tar', ['-tzf', path], { encoding: 'utf8' }).stdout
    expect(names(other)).toBe(names(out))
    const nowhere = await fieldgate(['bundle', '--config', file, '--out', join(folder, 'no', 'b.tar.gz'), '--json'], {
      env,
    })
    expect(nowhere.status).toBe(1)
    expect(JSON.parse(nowhere.out)).toMatchObject({ ok: false, status: 1 })
  }, 60_000)

  it('stays small, however much there is to say, and keeps the end of a journal', async () => {
    writeFileSync(file, 'log: { path: log }\n')
    writeFileSync(join(programs, 'journalctl'), '#!/bin/sh\nseq -f "line %.0f" 1 600000\n')
    writeFileSync(join(programs, 'ip'), '#!/bin/sh\nyes "an address without end"\n')
    for (const name of ['journalctl', 'ip']) chmodSync(join(programs, name), 0o755)
    const { told, files } = await bundled()
    for (const { bytes } of told.parts) expect(bytes).toBeLessThanOrEqual(2 << 20)
    expect(told.bytes).toBeLessThan(8 << 20)
    expect(files.get('journal.txt')!.toString()).toMatch(/^\n… \d+ bytes are left out …\n[\s\S]*line 5\d+\n/)
    expect(told.parts.find(({ name }) => name === 'journal.txt')!.why).toBe('too long: a part of it')
    expect(files.get('system/addresses.txt')!.toString()).toMatch(/^an address without end\n/)
  }, 60_000)
})
