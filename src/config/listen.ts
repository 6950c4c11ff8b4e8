/** An address to listen on as people write it, read without the schemas: whoever only listens does not load them. */
import { dirname } from 'node:path'
import { parseDocument } from 'yaml'
import type { ConsoleConfiguration } from './configuration.ts'
import { substituted } from './substitution.ts'
import { readText } from './texts.ts'

type Listen = NonNullable<ConsoleConfiguration['listen']>

/** Where the console is, unless it is said. */
export const USUAL: Listen = { host: '127.0.0.1', port: 8080 }

/** `host:port`, `[address]:port` or `:port`. */
export const LISTEN = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/]*)):(\d{1,5})$/

/** null: off. `given` is false, `off`, or fits `LISTEN`. */
export function listenOf(given: string | false): Listen | null {
  if (given === false || given === 'off') return null
  const [, bracketed, plain = '', port] = LISTEN.exec(given)!
  return { host: bracketed ?? plain, port: Number(port) }
}

export function isPort({ port }: Listen): boolean {
  return port > 0 && port < 65_536
}

/** What a file states, read past whatever else is wrong with it and without what else is in it; undefined: it cannot be told. */
export function listenIn(file: string, env: NodeJS.ProcessEnv = process.env): Listen | null | undefined {
  const read = readText(file)
  if (!read.ok) return undefined
  const document = parseDocument(read.text, { uniqueKeys: false, merge: true })
  if (document.errors.length > 0) return undefined
  const root: unknown = document.toJS()
  const { console: section, sinks } = mapOf(root)
  const given = mapOf(section).listen
  if (given === undefined || given === null) return isOneWay(sinks) ? null : USUAL
  const text = typeof given === 'string' ? substituted(given, { folder: dirname(file), env }).value : given
  if (text !== false && text !== 'off' && !(typeof text === 'string' && LISTEN.test(text))) return undefined
  const listen = listenOf(text)
  return listen === null || isPort(listen) ? listen : undefined
}

function isOneWay(sinks: unknown): boolean {
  const all = Object.values(mapOf(sinks))
  return all.length > 0 && all.every((sink) => mapOf(sink).commands === 'none')
}

function mapOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
}
