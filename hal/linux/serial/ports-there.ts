/** The serial ports of the box, as sysfs knows them: without udev. */
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The serial ports that have hardware behind them: `/dev/ttyUSB0 (FTDI FT232R USB UART)`. */
export function portsThere(root = '/'): string[] {
  const folder = join(root, 'sys/class/tty')
  return names(folder)
    .filter((name) => hasHardware(name, root))
    .sort((one, other) => one.localeCompare(other, 'en', { numeric: true }))
    .map((name) => {
      const adapter = usbName(join(folder, name, 'device'))
      return adapter === undefined ? `/dev/${name}` : `/dev/${name} (${adapter})`
    })
}

/** The kernel makes ttyS1 to ttyS3 whether or not there is a chip: type 0 of uart_type() says that there is none. */
export function hasHardware(name: string, root = '/'): boolean {
  const folder = join(root, 'sys/class/tty', name)
  return existsSync(join(folder, 'device')) && line(join(folder, 'type')) !== '0'
}

/** The adapter's own words: the USB device stands one to three folders above its port. */
function usbName(device: string): string | undefined {
  let folder: string
  try {
    folder = realpathSync(device)
  } catch {
    return undefined
  }
  for (let up = 0; up < 4; up++) {
    if (existsSync(join(folder, 'idVendor'))) {
      const words = [line(join(folder, 'manufacturer')), line(join(folder, 'product'))].filter((word) => word)
      return words.length > 0
        ? words.join(' ')
        : `USB ${line(join(folder, 'idVendor'))}:${line(join(folder, 'idProduct'))}`
    }
    folder = dirname(folder)
  }
  return undefined
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function line(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return undefined
  }
}
