/** What `door.sock` takes: reads and writes by hand, by name and by address, and work that takes longer. */
import { textFrom, writesFrom } from '../../commands/socket.ts'
import { Rejected, sentence } from '../../contracts/errors.ts'
import type { Field } from '../../field.ts'
import { type Around, errandMethods } from './errands.ts'
import { has, wordsOf } from './given.ts'
import type { Methods } from './surfaces.ts'

export function doorMethods({ field, around }: { readonly field: Field; readonly around: Around }): Methods {
  return {
    write: async (given, call) => {
      if (has(given, 'connection')) {
        const { driver, lane } = field.connection(textFrom(given, 'connection'))
        if (driver.poke === undefined) throw new Rejected('this connection’s driver has no writes by hand')
        const words = wordsOf(given)
        const what = `by hand: ${textFrom(given, 'connection')} ${words.join(' ')}`
        const said = await lane
          .submit((ending) => driver.poke!(words, AbortSignal.any([call.signal, ending])))
          .catch((thrown) => {
            field.audit(`${what}: ${sentence(thrown)}`)
            throw thrown
          })
        field.audit(`${what}: ${said}`)
        return { id: '', outcome: 'done', text: said }
      }
      const [device, group] = [textFrom(given, 'device'), textFrom(given, 'group')]
      const writes = writesFrom((given as { writes?: unknown }).writes)
      return field.door.submit({ id: '', by: 'console', device, group, writes }, call.signal)
    },
    read: (given, call) => {
      const { driver, lane } = field.connection(textFrom(given, 'connection'))
      if (driver.peek === undefined) throw new Rejected('this connection’s driver has no reads by hand')
      const words = wordsOf(given)
      return lane.submit((ending) =>
        around(textFrom(given, 'connection'), () => driver.peek!(words, AbortSignal.any([call.signal, ending]))),
      )
    },
    ...errandMethods({ field, around }),
  }
}
