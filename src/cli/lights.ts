/** `fieldgate lights`: what the lamps of the box show and why; shows of all lamps, to find the box and to try them; and what they
 *  show when the service has ended. */
import { join } from 'node:path'
import type { Board, BoardDescription } from '../../hal/contract.ts'
import { boards } from '../catalog.ts'
import { boardAlone } from '../config/board-alone.ts'
import { logPathOf } from '../config/sockets.ts'
import { lightLines } from '../console/terminal/status.ts'
import { ascii } from '../console/terminal/text.ts'
import { Reason } from '../contracts/batch.ts'
import { Retryable, sentence } from '../contracts/errors.ts'
import type { Light } from '../contracts/report.ts'
import { rhythmOf } from '../contracts/rhythm.ts'
import { leave } from '../health/lamp.ts'
import { Lamps } from '../health/lamps.ts'
import { fold, ROLES } from '../health/language/fold.ts'
import { light } from '../health/language/states.ts'
import { stopped } from '../health/language/stopped.ts'
import { chase, LAMP_TEST_MS, LOCATE_MS, lampTest } from '../health/shows.ts'
import { type Command, Exit, type Invocation } from './command.ts'
import { boardOf } from './run/board.ts'
import { withHalves } from './running.ts'
import { reportOf } from './status.ts'

/** What is read by a program or a file is not folded to a width nobody looks at. */
const UNBOUNDED = 240

/** See `hal/linux/`, lamps of the kernel. */
const RIGHTS_MS = 1500

const ACTIONS = ['locate', 'test', 'stop'] as const
type Action = (typeof ACTIONS)[number]

export const command: Command = async (invocation) => {
  const { options, screen, json, words } = invocation
  const [word] = words
  if (options.stopped === true && word === undefined) return await showStopped(invocation)
  if (word === undefined) return await tell(invocation)
  const action = ACTIONS.find((each) => each === word)
  if (action === undefined || options.stopped === true) {
    const error = `there is no "lights ${word}${options.stopped === true ? ' --stopped' : ''}": there are ${ACTIONS.join(', ')}`
    screen.complain(`fieldgate: ${error}`)
    if (json) screen.document({ ok: false, error, status: Exit.usage })
    return Exit.usage
  }
  const text = await act(invocation, action)
  if (json) screen.document({ ok: true, text })
  else screen.print(text)
  return Exit.done
}

function tell(invocation: Invocation): Promise<Exit> {
  return withHalves(invocation, 'inspect', async (halves) => {
    const { json, screen } = invocation
    const { lights } = await reportOf(halves, invocation)
    if (json) screen.document(lights)
    else {
      const { isTerminal, columns, colour, unicode } = screen
      const lines = lightLines(lights, isTerminal ? columns : UNBOUNDED, { colour, unicode })
      screen.print(lines.map((line) => (unicode ? line : ascii(line))).join('\n'))
    }
    return Exit.done
  })
}

/** By the service that has the lamps; where none runs, by ourselves. */
async function act(invocation: Invocation, action: Action): Promise<string> {
  try {
    return await withHalves(invocation, 'control', async (halves) => {
      const keeper = halves.find(({ side }) => side !== 'uplink')
      if (keeper === undefined)
        throw new Retryable('the field half, which has the lamps, is not running', { reason: Reason.noConnection })
      const method = action === 'test' ? 'testLamps' : 'locate'
      const { text } = (await keeper.gateway.call(method, action === 'stop' ? { off: true } : {})) as { text: string }
      return text
    })
  } catch (thrown) {
    if (!(thrown instanceof Retryable) || action === 'stop') throw thrown
    return await byOurselves(invocation, action)
  }
}

/** Until it is over, or interrupted. */
async function byOurselves({ file, clock, signal, screen }: Invocation, action: 'locate' | 'test'): Promise<string> {
  const board = await boardOf(boardIn(file), clock)
  const say = (text: string): void => screen.complain(`fieldgate: ${text}`)
  const lamps = new Lamps({
    clock,
    log: { debug: () => {}, info: say, warn: say, error: say },
    led: (role) => board.led(role),
  })
  const { roles } = lamps
  try {
    if (roles.length === 0) return `the board ${board.name} has no lamps`
    lamps.overlay(action === 'locate' ? chase(roles) : lampTest(roles))
    await clock.sleep(action === 'locate' ? LOCATE_MS : LAMP_TEST_MS, signal).catch(() => {})
    return `the lamps ${roles.join(', ')} were lit; the service does not run`
  } finally {
    lamps.stop()
    await board.close()
  }
}

async function showStopped({ file, clock, json, screen, signal }: Invocation): Promise<Exit> {
  const light = stopped(process.env)
  const faults = await leaveLamps(() => boardOf(boardIn(file), clock), light)
  // The files of a kernel trigger are ours only when udev has heard of it: the lamp is given its rhythm within this.
  if (rhythmOf(light).length > 1) await clock.sleep(RIGHTS_MS, signal).catch(() => {})
  for (const fault of faults) screen.complain(`fieldgate: ${fault}`)
  if (json) screen.document({ light, faults })
  else screen.print(`SYS: ${light.text}`)
  // Whoever ended the service is not to be told of a failure of ours.
  return Exit.done
}

/** The lamps are not given back: they are to show this when this process is gone. Returns what went wrong. */
async function leaveLamps(open: () => Promise<Board>, sys: Light): Promise<readonly string[]> {
  try {
    const board = await open()
    const faults: string[] = []
    const leds = ROLES.flatMap((role) => {
      try {
        const led = board.led(role)
        return led === undefined ? [] : [{ role, led }]
      } catch (thrown) {
        faults.push(`lamp ${role}: ${sentence(thrown)}`)
        return []
      }
    })
    const others = [light('bus.off'), light('net.off'), light('ha.off')]
    const shown = fold(
      [sys, ...others],
      leds.map(({ role }) => role),
    )
    for (const { role, led } of leds) {
      try {
        leave(led, shown.get(role)!)
      } catch (thrown) {
        faults.push(`lamp ${role}: ${sentence(thrown)}`)
      }
    }
    return faults
  } catch (thrown) {
    return [sentence(thrown)]
  }
}

/** By the file, or as it was when it was last put into force. */
function boardIn(file: string): BoardDescription {
  const options = { boards: boards(), env: process.env }
  const own = boardAlone(file, options)
  if (own !== undefined && own.problems.length === 0) return own.board
  const last = boardAlone(join(logPathOf(file), 'active.yaml'), options)
  return (last ?? own)?.board ?? { name: 'generic', title: 'Linux box', models: [], ports: {}, leds: {} }
}
