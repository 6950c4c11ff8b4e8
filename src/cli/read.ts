/** `fieldgate read CONNECTION …`: one request by hand, every type and order side by side. */

import { table } from '../console/terminal/table.ts'
import { harmless } from '../console/terminal/text.ts'
import { milliseconds } from '../console/terminal/words.ts'
import type { Peek } from '../contracts/driver.ts'
import { type Command, Exit } from './command.ts'
import { withGateway } from './running.ts'

export const command: Command = (invocation) =>
  withGateway(invocation, 'door', async (door) => {
    const { json, screen, words } = invocation
    const [connection, ...rest] = words
    const peek = (await door.call('read', { connection, words: rest })) as Peek
    if (json) screen.document(peek)
    else screen.print(peekText(peek))
    return Exit.done
  })

/** One block an address; readings in the driver's order, the likeliest first, the plausible ones marked. */
export function peekText(peek: Peek): string {
  const lines = [`${harmless(peek.request)}, answered in ${milliseconds(peek.elapsedMs)}`]
  const names = [...new Set(peek.rows.flatMap(({ readings }) => Object.keys(readings)))]
  // Few readings stand side by side, one line an address; many stand below each other, one column an address.
  const shape = [{ title: 'ADDRESS' }, ...peek.rows.map(({ address }) => ({ title: harmless(address), right: true }))]
  const byReading = names.map((name) => [harmless(name), ...peek.rows.map((row) => cell(row, name))])
  const across = [{ title: 'ADDRESS' }, ...names.map((name) => ({ title: harmless(name), right: true }))]
  const byAddress = peek.rows.map((row) => [harmless(row.address), ...names.map((name) => cell(row, name))])
  const wide = Number.MAX_SAFE_INTEGER
  const body = names.length > peek.rows.length ? table(shape, byReading, wide) : table(across, byAddress, wide)
  const marked = peek.rows.some(({ plausible }) => plausible.length > 0)
  return [...lines, ...body, ...(marked ? ['* plausible'] : [])].join('\n')
}

function cell({ readings, plausible }: Peek['rows'][number], name: string): string {
  return `${plausible.includes(name) ? '* ' : ''}${harmless(readings[name] ?? '')}`
}
