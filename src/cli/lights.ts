/** `fieldgate lights`: what the lamps of the box show when the service has ended. */
import { join } from 'node:path'
import type { BoardDescription, LedRole } from '../../hal/contract.ts'
import { boards } from '../catalog.ts'
import { boardAlone } from '../config/board-alone.ts'
import { logPathOf } from '../config/sockets.ts'
import { sentence } from '../contracts/errors.ts'
import type { Light } from '../contracts/report.ts'
import { leave } from '../health/lamp.ts'
import { stopped } from '../health/language/stopped.ts'
import { type Command, Exit, type Invocation } from './command.ts'
import { boardOf } from './run/board.ts'

const ROLES: readonly LedRole[] = ['SYS', 'BUS', 'NET', 'HA']

export const command: Command = async (invocation) => {
  const { options, screen, json } = invocation
  if (options.stopped !== true) {
    const error = 'say what the lights are to do: --stopped'
    screen.complain(`fieldgate: ${error}`)
    if (json) screen.document({ ok: false, error, status: Exit.usage })
    return Exit.usage
  }
  const light = stopped(process.env)
  const faults = await showStopped(invocation, light)
  for (const fault of faults) screen.complain(`fieldgate: ${fault}`)
  if (json) screen.document({ light, faults })
  else screen.print(`SYS: ${light.text}`)
  // Whoever ended the service is not to be told of a failure of ours.
  return Exit.done
}

/** The lamps are not given back: they are to show this when this process is gone. Returns what went wrong. */
async function showStopped(
  { file, clock }: Pick<Invocation, 'file' | 'clock'>,
  light: Light,
): Promise<readonly string[]> {
  try {
    const board = await boardOf(boardIn(file), clock)
    return ROLES.flatMap((role) => {
      try {
        const led = board.led(role)
        if (role === 'SYS' && led !== undefined) leave(led, light)
        else led?.show('off')
        return []
      } catch (thrown) {
        return [`lamp ${role}: ${sentence(thrown)}`]
      }
    })
  } catch (thrown) {
    return [sentence(thrown)]
  }
}

/** By the file, or as it was when it was last put into force. */
function boardIn(file: string): BoardDescription {
  const options = { boards: boards(), env: process.env }
  const found = boardAlone(file, options) ?? boardAlone(join(logPathOf(file), 'active.yaml'), options)
  return found?.board ?? { name: 'generic', title: 'Linux box', models: [], ports: {}, leds: {} }
}
