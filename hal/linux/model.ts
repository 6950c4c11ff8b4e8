/** What the box calls itself: the model of its device tree, or the product name of its firmware. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const MODELS = ['proc/device-tree/model', 'sys/firmware/devicetree/base/model', 'sys/class/dmi/id/product_name']
const COMPATIBLES = ['proc/device-tree/compatible', 'sys/firmware/devicetree/base/compatible']

export function modelOf(root = '/'): string | null {
  return wordsOf(MODELS, root)[0] ?? null
}

/** What its device tree says it is compatible with, most like it first. */
export function compatibleOf(root = '/'): readonly string[] {
  return wordsOf(COMPATIBLES, root)
}

/** Strings of the device tree end with a zero each. */
function wordsOf(places: readonly string[], root: string): string[] {
  for (const place of places) {
    try {
      const words = readFileSync(join(root, place), 'utf8').split('\0')
      const said = words.map((word) => word.trim()).filter((word) => word !== '')
      if (said.length > 0) return said
    } catch {
      // Not this kind of box.
    }
  }
  return []
}
