/** `fieldgate write …`: a tag by name in engineering units, or an address by hand. */

import type { ValueRow } from '../console/terminal/rows.ts'
import { harmless } from '../console/terminal/text.ts'
import type { Value } from '../contracts/batch.ts'
import type { CommandResult } from '../contracts/command.ts'
import { type Command, Exit, type Invocation } from './command.ts'
import { withGateway } from './running.ts'

export const command: Command = async (invocation) => {
  const { json, screen, words } = invocation
  const [target, ...rest] = words as [string, ...string[]]
  const path = target.split('/')
  const byName = path.length === 3 && path.every((part) => part !== '')
  if (path.length > 1 && (!byName || rest.length % 2 !== 1)) {
    const error = byName
      ? `one value follows each tag: ${target} VALUE [TAG VALUE]…; put it into quotes if it contains spaces`
      : `"${target}" is not a tag: write DEVICE/GROUP/TAG VALUE, or CONNECTION and the driver’s words`
    screen.complain(`fieldgate: ${error}`)
    if (json) screen.document({ ok: false, error, status: Exit.usage })
    return Exit.usage
  }
  return withGateway(invocation, 'door', async (door) => {
    const [device, group, tag] = path
    const asked = byName
      ? { device, group, writes: await writesOf(invocation, `${device}/${group}`, [tag!, ...rest]) }
      : { connection: target, words: rest }
    const result = (await door.call('write', asked)) as CommandResult
    if (json) screen.document(result)
    else if (result.outcome === 'done') screen.print(harmless(result.text || 'done'))
    else screen.complain(`fieldgate: ${result.outcome}: ${harmless(result.text)}`)
    return result.outcome === 'done' ? Exit.done : Exit.failed
  })
}

/** Tags of one group with the values that were typed after them. */
async function writesOf(
  invocation: Invocation,
  group: string,
  words: readonly string[],
): Promise<readonly { readonly tag: string; readonly value: Value }[]> {
  const writes: { tag: string; value: Value }[] = []
  for (let at = 0; at < words.length; at += 2) {
    const [tag, typed] = [words[at]!, words[at + 1]!]
    writes.push({ tag, value: typedValue(typed, await present(invocation, `${group}/${tag}`)) })
  }
  return writes
}

/** The value the tag has now, which says what kind of value it takes; undefined: it has none, or is never read. */
async function present(invocation: Invocation, path: string): Promise<Value | undefined> {
  try {
    return await withGateway(invocation, 'inspect', async (gateway) => {
      const [row] = (await gateway.call('values', { path })) as readonly ValueRow[]
      return row?.value ?? undefined
    })
  } catch {
    // Where inspecting is not allowed, writing may be: what was typed then speaks for itself.
    return undefined
  }
}

/** What was typed, as the kind of value the tag has now, or else as what it looks like. */
export function typedValue(typed: string, now?: Value): Value {
  // Digits alone may be an integer that a JSON number cannot carry; anything else is text.
  if (typeof now === 'string' && !/^-?\d+$/.test(now)) return typed
  if (/^(true|on)$/i.test(typed)) return true
  if (/^(false|off)$/i.test(typed)) return false
  if (typeof now === 'boolean' && /^[01]$/.test(typed)) return typed === '1'
  if (/^[-+]?\d+$/.test(typed) && !Number.isSafeInteger(Number(typed))) return BigInt(typed)
  if (/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(typed) || /^0x[0-9a-f]+$/i.test(typed)) return Number(typed)
  return typed
}
