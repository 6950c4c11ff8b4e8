/** The key `rs485` of a line: who switches its transmitter. */
import { z } from 'zod'
import type { Rs485Settings } from '../../../../hal/contract.ts'
import { LONGEST_DELAY_MS, rs485Contradictions } from '../../../contracts/rs485.ts'

const line = z.strictObject({
  chip: z.string({ error: 'expected the label of a GPIO chip, such as pinctrl-bcm2711' }).min(1).meta({
    description: 'Label of the GPIO chip, or its name or device file; `fieldgate board` lists them.',
  }),
  line: z
    .union([z.int().min(0), z.string().min(1)], { error: 'expected a number such as 17, or a name such as GPIO17' })
    .meta({ description: 'Number of the line on its chip, or the line’s own name.' }),
  activeLow: z
    .boolean({ error: 'expected true or false' })
    .optional()
    .meta({ description: 'true: the transmitter is on at the low level.' }),
})

export function rs485Shape(duration: z.ZodType<number, string | 0>) {
  const delay = duration.refine((ms) => ms <= LONGEST_DELAY_MS, { error: `expected at most ${LONGEST_DELAY_MS}ms` })
  return z
    .strictObject({
      mode: z
        .enum(['auto', 'kernel', 'gpio', 'adapter'], { error: 'expected auto, kernel, gpio or adapter' })
        .default('auto')
        .meta({
          description:
            '`kernel`: its driver (TIOCSRS485), a port that cannot is not opened; `gpio`: the line `enable`; `adapter`: the hardware by itself; `auto`: the kernel where the port can, else `enable` where there is one, else the adapter.',
        }),
      enable: line.optional().meta({
        description: 'The line that enables the transmitter (DE), with mode gpio or auto. Default: as the board says.',
      }),
      rtsOnSend: z.enum(['high', 'low'], { error: 'expected high or low' }).optional().meta({
        description: 'Level of RTS while sending, with the kernel. Default: as the device tree says, else high.',
      }),
      delayBefore: delay.optional().meta({
        description: 'Between enabling the transmitter and the first bit; the kernel counts whole milliseconds.',
      }),
      delayAfter: delay.optional().meta({ description: 'Between the last bit and disabling the transmitter.' }),
      receiveWhileSending: z.boolean({ error: 'expected true or false' }).optional().meta({
        description: 'With the kernel: the receiver stays on while sending. An echo is recognised either way.',
      }),
      terminate: z
        .boolean({ error: 'expected true or false' })
        .optional()
        .meta({ description: 'The termination resistor, where the kernel switches it.' }),
    })
    .superRefine((given, context) => {
      for (const [key, message] of rs485Contradictions(given)) {
        context.addIssue({ code: 'custom', path: [key], message, input: given })
      }
    })
    .transform(({ delayBefore, delayAfter, ...rest }) =>
      settled({ ...rest, delayBeforeMs: delayBefore, delayAfterMs: delayAfter }),
    )
}

/** What a connection wants of a port and neither it nor the board makes possible; undefined: nothing. */
export function lineProblem(
  rs485: Rs485Settings,
  ofBoard: Rs485Settings | undefined,
  board: string,
): string | undefined {
  if (rs485.mode !== 'gpio' || rs485.enable !== undefined || ofBoard?.enable !== undefined) return undefined
  return `mode gpio needs the line that enables the transmitter, and board ${board} names none for this port: add enable: { chip: …, line: … }`
}

/** Without the keys that were not given: they would hide what the board says. */
function settled(given: object): Rs485Settings {
  const entries = Object.entries(given).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as unknown as Rs485Settings
}
