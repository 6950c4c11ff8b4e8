/** Few files in place of many: a start reads some four hundred modules, and on a small processor each costs milliseconds to find. */
import { cpSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { type Plugin, rolldown } from 'rolldown'

/** What is started by its own name: the program, the process that reads the configuration, the thread that drives a direction. */
const ENTRIES = ['src/main', 'src/cli/run/loading-process', 'hal/linux/serial/sending-thread']
/** Bundled besides our own code: many small files, nothing native, read at every start. */
const INLINED = /^(yaml|zod|commander)(\/|$)/

/** `compiled`: the sources' folder, which becomes that of their bundle, with the entries under the same names. `modules`: with
 *  `node_modules` as the lockfile has them. */
export async function bundle(compiled: string, modules: string): Promise<void> {
  // As the bundler names what it finds there.
  const built = realpathSync(compiled)
  const aside = `${built}.bundle`
  const sources = await rolldown({
    input: Object.fromEntries(ENTRIES.map((name) => [name, join(built, `${name}.js`)])),
    platform: 'node',
    // What each part comes from stands in it, as seen from here: the same on every machine.
    cwd: built,
    external: (name) => !name.startsWith('.') && !name.startsWith('/') && !INLINED.test(name),
    resolve: { modules: [join(modules, 'node_modules')] },
    plugins: [places(built)],
    onLog: (level, log) => {
      if (level === 'warn') throw new Error(`package: ${log.message}`)
    },
  })
  try {
    await sources.write({
      dir: aside,
      format: 'esm',
      entryFileNames: '[name].js',
      chunkFileNames: 'src/parts/[name]-[hash].js',
    })
  } finally {
    await sources.close()
  }
  for (const name of readdirSync(built)) rmSync(join(built, name), { recursive: true })
  cpSync(aside, built, { recursive: true })
  rmSync(aside, { recursive: true })
}

const MARK = '__PLACE_OF__'

/** `import.meta.url` stays the address that the module would have by itself: files beside it are found from there. */
function places(built: string): Plugin {
  return {
    name: 'places',
    transform: (code, id) =>
      id.startsWith(built) && code.includes('import.meta.url')
        ? code.replaceAll('import.meta.url', `${MARK}(${JSON.stringify(relative(built, id))})`)
        : null,
    renderChunk: (code, { fileName }) =>
      code.includes(MARK)
        ? code.replaceAll(new RegExp(`${MARK}\\("([^"]+)"\\)`, 'g'), (_, path: string) => {
            const way = relative(dirname(fileName), path)
            return `new URL(${JSON.stringify(way.startsWith('.') ? way : `./${way}`)}, import.meta.url).href`
          })
        : null,
  }
}
