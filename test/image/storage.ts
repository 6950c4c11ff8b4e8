/** A data partition that is full, and a medium that is write-protected: both are told, and the rest of the box works. */
import type { Box } from './box.ts'
import type { Figures, Flowing } from './transcript.ts'

/** Waits until `status` has a line of this kind, which it returns. */
async function told(box: Box, pattern: RegExp): Promise<string> {
  let last = ''
  return box.guest
    .until(`status to say ${pattern}`, 90_000, async () => {
      last = (await box.guest.ask('fieldgate status', 60_000)).output
      return last.split('\n').find((line) => pattern.test(line))
    })
    .then((line) => line.trim().slice(0, 200))
    .catch((thrown: unknown) => {
      throw new Error(`${String(thrown)}; it said ${last.slice(0, 2000)}`)
    })
}

/** What `board` says is wrong with the storage. */
async function storageOn(box: Box): Promise<string> {
  const { output } = await box.guest.ask('fieldgate board', 60_000)
  const line = output.split('\n').find((each) => /^ +\/var\/lib\/fieldgate\/log +broken/.test(each))
  if (line === undefined) throw new Error(`board says nothing of the storage: ${output}`)
  return line.trim()
}

/** To the last block, the share that is kept for root included. */
const FILL = `n=$(($(stat -f -c %f /data) - 1024)); while [ $n -gt 0 ] && ! fallocate -l $((n * 4096)) /data/filler; do n=$((n - 4096)); done
cat /dev/zero > /data/filler.rest; sync; stat -f -c %f /data`

export async function fullPartition(box: Box, { flowing }: { readonly flowing: Flowing }): Promise<Figures> {
  const left = await box.guest.ask(FILL, 120_000)
  const says = await told(box, /^SYS .*(full| left)/)
  // A light that has just changed is told of ten seconds later.
  const journal = await box.guest.until('the journal to say it', 60_000, async () => {
    const line = `journalctl -b -u fieldgate-field -o cat --no-pager | grep -E '^SYS: .*(full| left)' | tail -1`
    return (await box.guest.ask(`sleep 2; ${line}`)).output.trim() || undefined
  })
  const polls = async (): Promise<number> => {
    const { output } = await box.guest.ask('fieldgate status --json', 60_000)
    return Number(/"polls": ?(\d+)/.exec(output)?.[1] ?? Number.NaN)
  }
  const before = await polls()
  await box.guest.until('polling to go on', 60_000, async () => (await polls()) > before || undefined)
  const board = await storageOn(box)
  await box.guest.do('rm /data/filler /data/filler.rest; sync', 60_000)
  await flowing(5, 120_000)
  await box.guest.until('status to be content with the storage', 90_000, async () => {
    const { output } = await box.guest.ask('fieldgate status', 60_000)
    return (/^SYS /m.test(output) && !/^SYS .*(full| left)/m.test(output)) || undefined
  })
  const { status } = await box.guest.ask('fieldgate log status --audit --json', 90_000)
  if (status !== 0) throw new Error(`the audit of the log ended with ${status}`)
  return {
    'blocks left': left.output.trim().split('\n').at(-1)!,
    status: says,
    journal,
    board,
  }
}

export async function writeProtected(box: Box, { flowing }: { readonly flowing: Flowing }): Promise<Figures> {
  await box.shutDown()
  await box.on('direct', { isProtected: true })
  await box.ready()
  await flowing(5, 90_000)
  const says = await told(box, /in memory/)
  const board = await storageOn(box)
  const journal = await box.guest.do('journalctl -b -t fieldgate-image -o cat --no-pager | grep write-protected')
  await box.shutDown()
  await box.on('direct')
  await box.ready()
  await flowing(3, 90_000)
  return {
    status: says,
    journal,
    board,
  }
}
