/** Where the library would keep what is not confirmed, to send it again by itself: nowhere. The log does that. */
import { Readable } from 'node:stream'
import type { IStore } from 'mqtt'

export const NO_STORE: IStore = {
  put(_packet, done) {
    done()
    return NO_STORE
  },
  createStream: () => Readable.from([]) as unknown as ReturnType<IStore['createStream']>,
  del(_packet, done) {
    done()
    return NO_STORE
  },
  get(_packet, done) {
    done(new TypeError('nothing is stored'))
    return NO_STORE
  },
  close: (done) => done(),
}
