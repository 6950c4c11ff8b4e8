/** The running gateway, as a command reaches it: over its sockets, and in one sentence when there is none. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { connectSocket } from '../commands/socket.ts'
import { Reason } from '../contracts/batch.ts'
import { Rejected, Retryable } from '../contracts/errors.ts'
import type { Invocation } from './command.ts'
import { locateSockets } from './sockets.ts'

/** `inspect` only looks, `door` transmits on demand, `control` changes the configuration. */
export type Socket = 'inspect' | 'door' | 'control'

export type Connected = Awaited<ReturnType<typeof connectSocket>>

/** Whether this gateway transmits on demand; true also where none is running, so that connecting says so. */
export async function isDoorOpen({ file }: Pick<Invocation, 'file'>): Promise<boolean> {
  const folder = await locateSockets(file)
  return existsSync(join(folder, 'door.sock')) || !existsSync(join(folder, 'inspect.sock'))
}

/** Connects, uses, closes. Throws Retryable when no gateway is there, Rejected when it does not let us in. */
export async function withGateway<T>(
  { file, signal }: Pick<Invocation, 'file' | 'signal'>,
  socket: Socket,
  use: (gateway: Connected) => Promise<T>,
): Promise<T> {
  const folder = await locateSockets(file)
  const path = join(folder, `${socket}.sock`)
  if (!existsSync(path)) {
    if (socket === 'door' && existsSync(join(folder, 'inspect.sock'))) {
      throw new Rejected('the door of this gateway is shut: its configuration allows no reads and writes by hand')
    }
    throw new Retryable(`no gateway is running here: ${path} is not there; start one with "fieldgate run"`, {
      reason: Reason.noConnection,
    })
  }
  const gateway = await connectSocket(path)
  const leave = (): void => gateway.close()
  signal.addEventListener('abort', leave, { once: true })
  try {
    return await use(gateway)
  } catch (thrown) {
    if (signal.aborted) throw new Rejected('interrupted')
    throw thrown
  } finally {
    signal.removeEventListener('abort', leave)
    gateway.close()
  }
}
