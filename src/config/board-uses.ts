/** A lamp or a line that a board gives to two: each would undo what the other does. */
import type { BoardDescription } from '../../hal/contract.ts'
import type { Places } from './places.ts'

export function sayTwiceUsed({ ports, leds, button }: BoardDescription, places: Places): void {
  const first = new Map<string, { readonly what: string; readonly role: string }>()
  const use = (address: object, what: string, role: string, path: readonly string[]): void => {
    const { chip, line, led } = address as { chip?: string; line?: number | string; led?: string }
    const key = led === undefined ? `line ${line} of ${chip}` : `the lamp ${led}`
    const taken = first.get(key)
    if (taken === undefined) first.set(key, { what, role })
    // One lamp of several colours is the kernel's to mix.
    else if (taken.role !== role || led === undefined) {
      places.say(path, `${key} is used twice: it is ${taken.what} already`, 'key')
    }
  }
  for (const [role, lamp] of Object.entries(leds)) {
    for (const [colour, address] of Object.entries(lamp)) {
      const path = ['board', 'leds', role, colour]
      if ('gpio' in address) use(address.gpio, `${role} ${colour}`, role, [...path, 'gpio'])
      else use(address, `${role} ${colour}`, role, path)
    }
  }
  for (const [name, { rs485 }] of Object.entries(ports)) {
    const path = ['board', 'ports', name, 'rs485', 'enable']
    if (rs485?.enable !== undefined) use(rs485.enable, `enable of ${name}`, name, path)
  }
  if (button !== undefined) use(button, 'the button', 'button', ['board', 'button'])
}
