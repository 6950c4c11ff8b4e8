/** Power cuts of the box during traffic, and the audit of what its log holds. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Box } from './box.ts'
import { followHeads, lastHead } from './heads.ts'
import type { Figures, Flowing } from './transcript.ts'

export async function audited(box: Box): Promise<Figures> {
  // While values come, what is under way is neither here nor there: the audit itself allows for it.
  const { status, output } = await box.guest.ask('fieldgate log status --audit --json', 90_000)
  const from = output.indexOf('{')
  if (status !== 0 || from < 0) throw new Error(`ended with ${status}: ${output.slice(-1500)}`)
  const gaps = await box.guest.ask('fieldgate log gaps --json', 60_000)
  return { gaps: gaps.output.trim().slice(0, 200) }
}

/** Traffic, the broker away now and then so that the log holds a backlog, and the plug pulled at any moment. What the service
 *  had said was durable must reach the subscriber. */
export async function powerCuts(box: Box, cuts: number, flowing: Flowing): Promise<Figures> {
  const { plant } = box
  /** The highest number that was told to be durable before a cut. Numbers go on over all starts; the epoch is that of the start. */
  let durable = 0
  const boots: number[] = []
  for (let round = 0; round < cuts; round++) {
    await followHeads(box.guest, box.node)
    await box.guest.until('the first position of the log', 60_000, () => lastHead(box.guest))
    const away = round % 2 === 1
    if (away) plant.link.cut()
    await sleep(3000 + 997 * ((round * 7) % 11))
    const head = lastHead(box.guest)
    await box.cut()
    if (head === undefined) throw new Error(`cut ${round + 1}: the box told of no position of its log`)
    durable = Math.max(durable, head)
    if (away) plant.link.mend()
    await box.on('direct')
    await box.ready(240_000)
    await flowing(2, 120_000)
    boots.push(box.secondsOn())
  }
  await box.guest.until('the backlog to be delivered', 120_000, async () => {
    const { output } = await box.guest.ask('fieldgate log status --json', 60_000)
    return /"pending": ?[0-3]\b/.test(output) || undefined
  })
  await flowing(3, 60_000)
  const records = await box.guest.do('fieldgate log export', 120_000)
  const kinds = new Map<number, string>()
  for (const line of records.split('\n')) {
    if (!line.startsWith('{')) continue
    const { kind, position } = JSON.parse(line) as { kind: string; position: { seq: number } }
    kinds.set(position.seq, kind)
  }
  let batches = 0
  const missing: number[] = []
  plant.received.look()
  for (let seq = 1; seq <= durable; seq++) {
    if (plant.received.has(seq)) batches++
    else if ((kinds.get(seq) ?? 'batch') === 'batch') missing.push(seq)
  }
  if (missing.length > 0) {
    throw new Error(
      `${missing.length} of ${batches + missing.length} durable batches never came: ${missing.slice(0, 10).join(' ')}`,
    )
  }
  await audited(box)
  const { blocksLost, blocksKept } = box.disk.counts
  return {
    'durable batches': batches,
    missing: missing.length,
    repeated: plant.received.repeated,
    'blocks lost': blocksLost,
    'blocks kept': blocksKept,
    'median seconds to values': boots.sort((a, b) => a - b)[boots.length >> 1] ?? 0,
  }
}
