/** Where the console is reached over HTTP: on loopback unless it is stated otherwise, and not at all where the gateway is one-way. */
import { isIP } from 'node:net'
import { dirname } from 'node:path'
import { parseDocument } from 'yaml'
import type { z } from 'zod'
import { type Check, isMap } from './check.ts'
import type { ConsoleConfiguration } from './configuration.ts'
import * as shapes from './shapes.ts'
import { substituted } from './substitution.ts'
import { readText } from './texts.ts'

const USUAL = { host: '127.0.0.1', port: 8080 }

export function readConsole(
  check: Check,
  given: unknown,
  oneWay: boolean,
): ConsoleConfiguration & { readonly notices: readonly string[] } {
  const { listen } = (check.object(shapes.consoleShape, given, ['console']) ?? {}) as z.output<
    typeof shapes.consoleShape
  >
  if (listen === undefined) return { listen: oneWay ? null : USUAL, notices: [] }
  if (listen === null) return { listen, notices: [] }
  const notices: string[] = []
  if (!isLoopback(listen.host)) {
    notices.push(
      'console.listen: whoever reaches this address sees devices, counters and states without a password; 127.0.0.1 keeps it to this box',
    )
  }
  if (oneWay) {
    notices.push('console.listen: the gateway is one-way, and this opens a port on it; leave it out to have none')
  }
  return { listen, notices }
}

/** Only programs of this box reach it. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

/** What a file states, read past whatever else is wrong with it and without what else is in it; undefined: it cannot be told. */
export function listenIn(
  file: string,
  env: NodeJS.ProcessEnv = process.env,
): ConsoleConfiguration['listen'] | undefined {
  const read = readText(file)
  if (!read.ok) return undefined
  const document = parseDocument(read.text, { uniqueKeys: false, merge: true })
  if (document.errors.length > 0) return undefined
  const root: unknown = document.toJS()
  const { console: section, sinks } = (isMap(root) ? root : {}) as { console?: { listen?: unknown }; sinks?: unknown }
  const given = section?.listen
  if (given === undefined || given === null) return isOneWay(sinks) ? null : USUAL
  const listen = typeof given === 'string' ? substituted(given, { folder: dirname(file), env }).value : given
  const parsed = shapes.consoleShape.safeParse({ listen })
  return parsed.success ? parsed.data.listen : undefined
}

function isOneWay(sinks: unknown): boolean {
  const all = isMap(sinks) ? Object.values(sinks) : []
  return all.length > 0 && all.every((sink) => isMap(sink) && sink.commands === 'none')
}
