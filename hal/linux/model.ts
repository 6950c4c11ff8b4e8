/** What the box calls itself: the model of its device tree, or the product name of its firmware. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const PLACES = ['proc/device-tree/model', 'sys/firmware/devicetree/base/model', 'sys/class/dmi/id/product_name']

export function modelOf(root = '/'): string | null {
  for (const place of PLACES) {
    try {
      // A string of the device tree ends with a zero.
      const model = readFileSync(join(root, place), 'utf8').replace(/\0/g, '').trim()
      if (model !== '') return model
    } catch {
      // Not this kind of box.
    }
  }
  return null
}
