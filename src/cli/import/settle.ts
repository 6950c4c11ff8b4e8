/** Findings become a configuration that `check` accepts: what it would refuse is taken out again, and noted. */
import type { Kinds } from '../../config/kinds.ts'
import { load } from '../../config/load.ts'
import { yamlText } from '../../config/write.ts'
import { Rejected } from '../../contracts/errors.ts'
import type { Findings, Keys } from './findings.ts'

export interface Settled {
  /** As YAML: connections and devices, or devices alone where the connection stands in the configuration already. */
  readonly text: string
  readonly tags: number
}

export interface Surroundings {
  readonly kinds: Kinds
  /** Stands at the head of the text. */
  readonly head: string
  /** Connections that the devices may name and that are not written. */
  readonly known: Readonly<Record<string, Keys>>
  readonly folder: string
}

export async function settle(findings: Findings, { kinds, head, known, folder }: Surroundings): Promise<Settled> {
  // Each round takes something out, so that there is a last one.
  for (
    let rounds = findings.tagCount + findings.devices.size + 4 * findings.connections.size + 2;
    rounds > 0;
    rounds--
  ) {
    findings.prune()
    const value = contentOf(findings)
    const whole = yamlText({
      value: { ...value, connections: { ...known, ...(value.connections as Keys | undefined) } },
    })
    const loaded = await load({ file: `${folder}/import.yaml`, text: whole, kinds, env: standIns(whole) })
    if (loaded.ok) {
      const notes = findings.notes.map(({ place, text }) => `${place}: ${text}`)
      const tail =
        notes.length > 0 ? ['', 'Not carried over, or not as it stood:', ...notes.map((note) => `- ${note}`)] : []
      return { text: yamlText({ value, head: [head], tail }), tags: findings.tagCount }
    }
    for (const { path, text } of loaded.problems) take(findings, path, text)
  }
  throw new Rejected('what was found makes no configuration: report this with the file')
}

function contentOf(findings: Findings): Keys {
  const devices = [...findings.devices].map(([name, { keys, groups }]) => {
    const written = [...groups].map(([group, { keys: own, tags }]) => [
      group,
      { ...own, tags: Object.fromEntries(tags) },
    ])
    return [name, { ...keys, groups: Object.fromEntries(written) }]
  })
  const used = new Set([...findings.devices.values()].map(({ keys }) => keys.connection))
  const connections = [...findings.connections].filter(([name]) => used.has(name))
  return {
    ...(connections.length > 0 ? { connections: Object.fromEntries(connections) } : {}),
    ...(devices.length > 0 ? { devices: Object.fromEntries(devices) } : {}),
  }
}

/** Takes out what a problem is about: a tag, else a key, else the device or the connection. */
function take(findings: Findings, path: string, why: string): void {
  const [section, ...below] = path.split('.')
  const inner = below.join('.')
  if (section === 'devices') {
    for (const [device, { keys, groups }] of findings.devices) {
      for (const [group, { tags, keys: own }] of groups) {
        const at = `${device}.groups.${group}`
        for (const tag of tags.keys()) {
          if (within(inner, `${at}.tags.${tag}`)) {
            findings.drop(device, group, tag, `${why}: left out`)
            return
          }
        }
        for (const key of Object.keys(own))
          if (within(inner, `${at}.${key}`)) {
            remove(findings, own, key, `${device}/${group}`, why)
            return
          }
      }
      for (const key of Object.keys(keys)) {
        if (within(inner, `${device}.${key}`) && key !== 'connection' && key !== 'unitId') {
          remove(findings, keys, key, device, why)
          return
        }
      }
      if (within(inner, device)) {
        findings.devices.delete(device)
        findings.note(`device "${device}"`, `${why}: left out`)
        return
      }
    }
    return
  }
  for (const [name, keys] of findings.connections) {
    for (const key of Object.keys(keys)) {
      if (within(inner, `${name}.${key}`) && !['driver', 'host', 'port'].includes(key)) {
        remove(findings, keys, key, name, why)
        return
      }
    }
    if (!within(inner, name)) continue
    findings.connections.delete(name)
    findings.note(`connection "${name}"`, `${why}: left out, and its devices`)
    for (const [device, { keys: own }] of findings.devices) if (own.connection === name) findings.devices.delete(device)
    return
  }
}

function remove(findings: Findings, keys: Keys, key: string, place: string, why: string): void {
  findings.note(`${place}, ${key} ${JSON.stringify(keys[key])}`, `${why}: left out`)
  delete keys[key]
}

function within(path: string, place: string): boolean {
  return path === place || path.startsWith(`${place}.`)
}

/** The environment of this machine need not be that of the gateway. */
function standIns(text: string): NodeJS.ProcessEnv {
  const names = [...text.matchAll(/\$\{env:(\w+)\}/g)].map(([, name]) => name!)
  return Object.fromEntries(names.map((name) => [name, process.env[name] ?? 'localhost']))
}
