/** The running gateway, as a command reaches it: over its sockets, be it one process or two, and in one sentence when there is
 *  none. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { connectSocket } from '../commands/socket.ts'
import { Reason } from '../contracts/batch.ts'
import { Rejected, Retryable } from '../contracts/errors.ts'
import type { Invocation } from './command.ts'
import { folderOf, type Side } from './run/half.ts'
import { locateSockets } from './sockets.ts'

/** `inspect` only looks, `door` transmits on demand, `control` changes the configuration. */
export type Socket = 'inspect' | 'door' | 'control'

export type Connected = Awaited<ReturnType<typeof connectSocket>>

/** A process of the gateway that answers. */
export interface Answering {
  readonly side: Side
  readonly gateway: Connected
}

const NOT_FIELD = 'the field half is not running: start it with "fieldgate run --side field"'

const NOT_UPLINK = 'the uplink half is not running: start it with "fieldgate run --side uplink"'

/** Whether this gateway transmits on demand; true also where none is running, so that connecting says so. */
export async function isDoorOpen({ file }: Pick<Invocation, 'file'>): Promise<boolean> {
  const run = await locateSockets(file)
  const places = (['both', 'field'] as const).map((side) => folderOf(side, run))
  return (
    places.some((folder) => existsSync(join(folder, 'door.sock'))) ||
    !places.some((folder) => existsSync(join(folder, 'inspect.sock')))
  )
}

/** Connects to the process that has the devices, uses, closes. Throws Retryable when it is not there, Rejected when it does not
 *  let us in. `orElse`: the other half will do where it is not there. */
export async function withGateway<T>(
  { file, signal }: Pick<Invocation, 'file' | 'signal'>,
  socket: Socket,
  use: (gateway: Connected, side: Side) => Promise<T>,
  orElse?: 'uplink',
): Promise<T> {
  const run = await locateSockets(file)
  const sides: readonly Side[] = orElse === undefined ? ['both', 'field'] : ['both', 'field', orElse]
  for (const side of sides) {
    const gateway = await answering(run, side, socket)
    if (gateway !== undefined) return await used([{ side, gateway }], signal, () => use(gateway, side))
  }
  const others = await allAnswering(run, 'inspect')
  for (const { gateway } of others) gateway.close()
  if (others.length === 0) throw nobody(run)
  if (others.every(({ side }) => side === 'uplink')) throw new Retryable(NOT_FIELD, { reason: Reason.noConnection })
  throw new Rejected('the door of this gateway is shut: its configuration allows no reads and writes by hand')
}

/** Connects to every process of the gateway that is there: one, or its halves, the field first. Throws Retryable when there is
 *  none. */
export async function withHalves<T>(
  { file, signal }: Pick<Invocation, 'file' | 'signal'>,
  socket: 'inspect' | 'control',
  use: (halves: readonly Answering[]) => Promise<T>,
): Promise<T> {
  const run = await locateSockets(file)
  const halves = await allAnswering(run, socket)
  if (halves.length === 0) throw nobody(run)
  return await used(halves, signal, () => use(halves))
}

/** Connects to the process that delivers. Throws Retryable when it does not run. */
export function withDeliverer<T>(
  invocation: Pick<Invocation, 'file' | 'signal'>,
  use: (gateway: Connected) => Promise<T>,
): Promise<T> {
  return withHalves(invocation, 'control', (halves) => {
    const deliverer = halves.find(({ side }) => side !== 'field')
    if (deliverer === undefined) throw new Retryable(NOT_UPLINK, { reason: Reason.noConnection })
    return use(deliverer.gateway)
  })
}

async function allAnswering(run: string, socket: Socket): Promise<readonly Answering[]> {
  const both = await answering(run, 'both', socket)
  if (both !== undefined) return [{ side: 'both', gateway: both }]
  const found: Answering[] = []
  for (const side of ['field', 'uplink'] as const) {
    const gateway = await answering(run, side, socket)
    if (gateway !== undefined) found.push({ side, gateway })
  }
  return found
}

/** undefined: nobody is there. A socket may be left from a process that was killed. */
async function answering(run: string, side: Side, socket: Socket): Promise<Connected | undefined> {
  const path = join(folderOf(side, run), `${socket}.sock`)
  if (!existsSync(path)) return undefined
  return connectSocket(path).catch((thrown) => {
    if (thrown instanceof Retryable) return undefined
    throw thrown
  })
}

async function used<T>(halves: readonly Answering[], signal: AbortSignal, use: () => Promise<T>): Promise<T> {
  const leave = (): void => {
    for (const { gateway } of halves) gateway.close()
  }
  signal.addEventListener('abort', leave, { once: true })
  try {
    return await use()
  } catch (thrown) {
    if (signal.aborted) throw new Rejected('interrupted')
    throw thrown
  } finally {
    signal.removeEventListener('abort', leave)
    leave()
  }
}

function nobody(run: string): Retryable {
  const text = `no gateway is running here: nobody answers in ${run}; start one with "fieldgate run"`
  return new Retryable(text, { reason: Reason.noConnection })
}
