/** LMDB itself, and a note of every environment that is opened. */
import { type RootDatabase, type RootDatabaseOptionsWithPath, open as really } from 'lmdb'

interface Opened {
  readonly options: RootDatabaseOptionsWithPath
  readonly database: RootDatabase
  closed: boolean
}

declare global {
  var openedEnvironments: Opened[] | undefined
}

export function open(options: RootDatabaseOptionsWithPath): RootDatabase {
  const database = really(options)
  globalThis.openedEnvironments ??= []
  const opened: Opened = { options, database, closed: false }
  globalThis.openedEnvironments.push(opened)
  const close = database.close.bind(database)
  database.close = () => {
    opened.closed = true
    return close()
  }
  return database
}
