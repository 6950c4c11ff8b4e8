/** Which files of a module are shipped: code that Node on this architecture loads, and nothing else. Licences are told in the
 *  package's copyright file. */
import type { Architecture } from './architecture.ts'

/** Node itself, which has a place of its own, and what is for compilers only. */
const LEFT_OUT = /^(node-linux-\w+|@types\/.*|undici-types|node-addon-api)$/

/** Folders of a module that no program loads. */
const FOLDERS = /^(tests?|docs?|examples?|bench(mark)?s?|scripts|vendor|src\/test)\//

/** Tests and tools that stand among the code, and whatever begins with a dot. */
const TOOLS =
  /(^|\/)(\.[^/]+|.*\.(test|spec|bench)\.[cm]?js|(bench|benchmark|test|example|rollup|eslint)(\.config)?\.[cm]?js|(tsconfig.*|package-lock)\.json)$/

/** zod brings its sentences in sixty languages, and each start would load them all: what is said is in English. */
const LANGUAGES = /(^|\/)(index|en)\.js$/

export function isShipped(module: string): boolean {
  return !LEFT_OUT.test(module)
}

/** `path` is relative to the module. */
export function isNeeded(module: string, path: string, architecture: Architecture): boolean {
  if (path.endsWith('.node')) return isNative(path, architecture)
  if (!/\.([cm]?js|json|wasm)$/.test(path)) return false
  if (path === 'package.json') return true
  // Programs of their own: none is called.
  if (/(^|\/)bin\//.test(path) || /^(bin|optional|build-test|cnoke|cli)\.[cm]?js$/.test(path)) return false
  if (module === 'zod' && path.includes('locales/')) return LANGUAGES.test(path)
  // Its dist is for browsers.
  if (module === 'mqtt') return path.startsWith('build/')
  return !path.endsWith('.min.js') && !FOLDERS.test(path) && !TOOLS.test(path)
}

export function isTrimmed(module: string, path: string): boolean {
  return module === 'zod' && path === 'v4/locales/index.js'
}

/** Only the languages that are shipped. */
export function trimmed(path: string, text: string): string {
  const english = text.split('\n').filter((line) => line.includes('"./en.js"'))
  if (english.length !== 1) throw new Error(`package: zod/${path} no longer names its languages as it did`)
  return `${english[0]}\n`
}

/** Addons for this architecture, glibc and Node-API: those do not depend on Node's version. */
function isNative(path: string, architecture: Architecture): boolean {
  if (/musl|abi\d+/.test(path)) return false
  return (
    !path.startsWith('prebuilds/') ||
    path.startsWith(architecture === 'arm64' ? 'prebuilds/linux-arm64/' : 'prebuilds/linux-x64/')
  )
}
