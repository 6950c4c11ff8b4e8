/** Every run tries the same random inputs, so that a change is judged by itself; `FIELDGATE_SEED=$RANDOM npm test` explores. */
import fc from 'fast-check'

fc.configureGlobal({ seed: Number(process.env.FIELDGATE_SEED ?? 20_260_101) })
