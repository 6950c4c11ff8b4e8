/** The suite of every sink, with the MQTT sink and mosquitto: what arrived is what the broker's own log says it received. */
import { describe } from 'vitest'
import { type SinkBench, sinkSuite } from '../contracts/sink-suite.ts'
import { batchOf, configuredSink, entryOf, groupOf } from '../northbound/mqtt/configured.ts'
import { absentMosquitto, mosquitto } from './mosquitto.ts'

if (absentMosquitto.length > 0) console.error(`SKIPPED: MQTT with mosquitto, for want of ${absentMosquitto.join(', ')}`)

const LARGE = 'x'.repeat(20_000)

describe.skipIf(absentMosquitto.length > 0)('with mosquitto', () => {
  for (const [version, qos] of [
    ['5', 1],
    ['3.1.1', 2],
  ] as const) {
    sinkSuite(`MQTT ${version} at QoS ${qos}`, {
      async make({ clock, down }): Promise<SinkBench> {
        const broker = await mosquitto(['allow_anonymous true', 'max_packet_size 10000'], { down })
        const { sink } = configuredSink({
          clock,
          keys: { url: `mqtt://127.0.0.1:${broker.port}`, version, qos, topic: '{device}/{group}' },
        })
        return {
          sink,
          entry: (number, refused = false) =>
            entryOf(
              number,
              batchOf(groupOf([{ name: 'a', kind: 'text' }], { group: String(number) }), [refused ? LARGE : 'x']),
            ),
          arrived: () => broker.received().map((topic) => Number(topic.split('/')[1])),
          down: broker.kill,
          up: broker.up,
          hold: () => broker.signal('SIGSTOP'),
          letGo: () => broker.signal('SIGCONT'),
          dispose: broker.dispose,
        }
      },
    })
  }
})
