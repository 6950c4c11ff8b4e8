/** The keys of a board file: which device is `rs485-1`, which lamp is BUS, which line is the button. */
import { z } from 'zod'
import { LONGEST_DELAY_MS } from '../contracts/rs485.ts'
import { duration, text } from './shapes.ts'

const lineShape = z.object({
  chip: text.min(1, { error: 'expected the label of a GPIO chip, such as pinctrl-bcm2711' }).optional().meta({
    description:
      'Label of the GPIO chip, or its name (`gpiochip0`) or device file; `fieldgate board` lists them. Labels stay when kernels change. Default: the board’s `chip`.',
  }),
  line: z
    .union([z.int().min(0), z.string().min(1)], { error: 'expected a number such as 17, or a name such as GPIO17' })
    .meta({ description: 'Number of the line on its chip, or the line’s own name.' }),
  activeLow: z
    .boolean({ error: 'expected true or false' })
    .optional()
    .meta({ description: 'true: the low level counts as on, as with a button to ground.' }),
  bias: z
    .enum(['pull-up', 'pull-down', 'none'], { error: 'expected pull-up, pull-down or none' })
    .optional()
    .meta({ description: 'The resistor of the chip. Default: as it is.' }),
})

const buttonShape = lineShape.extend({
  debounce: duration().optional().meta({ description: 'Shorter changes are bouncing contacts. Default 20ms.' }),
  reset: z.enum(['allowed', 'refused'], { error: 'expected allowed or refused' }).optional().meta({
    description:
      'allowed: held for 15 seconds it puts the box back to what came from the factory, and wipes what is not delivered. Default refused.',
  }),
})

export const lampShape = z.object({
  led: text
    .min(1, { error: 'expected a name such as ACT' })
    .optional()
    .meta({ description: 'A lamp of the kernel, by its name below /sys/class/leds.' }),
  gpio: lineShape.optional().meta({ description: 'A bare line that lights it.' }),
})

const delay = duration().refine((ms) => ms <= LONGEST_DELAY_MS, { error: `expected at most ${LONGEST_DELAY_MS}ms` })

const rs485Shape = z.object({
  mode: z.enum(['auto', 'kernel', 'gpio', 'adapter'], { error: 'expected auto, kernel, gpio or adapter' }).meta({
    description:
      'Who switches the transmitter: `kernel` (TIOCSRS485), `gpio` (the line `enable`), `adapter` (the hardware by itself), or `auto`: the first of these that there is.',
  }),
  enable: lineShape.optional().meta({ description: 'The line that enables the driver (DE), active while sending.' }),
  rtsOnSend: z
    .enum(['high', 'low'], { error: 'expected high or low' })
    .optional()
    .meta({ description: 'Level of RTS while sending, with the kernel. Default: as the device tree says, else high.' }),
  delayBefore: delay.optional().meta({ description: 'Between enabling the transmitter and the first bit.' }),
  delayAfter: delay.optional().meta({ description: 'Between the last bit and disabling it.' }),
  receiveWhileSending: z
    .boolean({ error: 'expected true or false' })
    .optional()
    .meta({ description: 'It hears what it sends itself.' }),
  terminate: z
    .boolean({ error: 'expected true or false' })
    .optional()
    .meta({ description: 'The termination resistor, where the kernel switches it.' }),
})

export const portShape = z.object({
  devices: z
    .array(text.min(1), { error: 'expected a list of device files, such as [/dev/ttyAMA0]' })
    .min(1, { error: 'expected at least one device file' })
    .meta({
      description: 'Device files, also with `*`, or names below /dev/serial/by-id. The first that is there is it.',
    }),
  rs485: rs485Shape
    .optional()
    .meta({ description: 'How its transmitter is switched. A connection may say otherwise.' }),
  text: text.optional().meta({ description: 'Which terminal it is, and what must be set for it.' }),
})

const watchdogShape = z.object({
  device: text.min(1).meta({ description: 'Device file of the timer that resets the box, such as /dev/watchdog0.' }),
  toggle: z
    .object({
      variable: text.meta({ description: 'A variable of the process image, such as RevPiLED.' }),
      bit: z.int({ error: 'expected the number of a bit' }).min(0).max(15).meta({ description: 'Its bit.' }),
    })
    .optional()
    .meta({
      description: 'On a Revolution Pi whose watchdog is fed through /dev/piControl0: the bit that must change.',
    }),
  timeout: duration(1000).prefault('15s').meta({ description: 'Without being fed for so long, it resets the box.' }),
})

export const boardShape = z.object({
  title: text.optional().meta({ description: 'What it is, in a few words.' }),
  models: z.array(text, { error: 'expected a list of names' }).optional().meta({
    description:
      'How it knows itself: how /proc/device-tree/model or the DMI product name begins, or a word of /proc/device-tree/compatible.',
  }),
  boards: z
    .array(text, { error: 'expected a list of boards' })
    .optional()
    .meta({ description: 'Of a hat: the boards it fits on.' }),
  chip: text.optional().meta({ description: 'The GPIO chip of all lines that name none.' }),
  ports: z.unknown().optional().meta({ description: 'Serial ports by name.' }),
  leds: z
    .unknown()
    .optional()
    .meta({ description: 'Lamps by role: SYS, BUS, NET, HA; each with one address a colour.' }),
  button: buttonShape.optional().meta({ description: 'The line of the button.' }),
  watchdog: watchdogShape.optional().meta({ description: 'Used where systemd does not hold it.' }),
})

/** `board:` of the gateway file, where it is a map. */
export const chosenShape = z.object({
  name: text.meta({ description: 'A board that is shipped, or a board file.' }),
  hat: text.optional().meta({ description: 'What is plugged onto it: a hat that is shipped, or a file.' }),
  ...boardShape.omit({ title: true, models: true, boards: true }).shape,
})
