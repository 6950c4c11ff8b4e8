/** What is checked, in its order: each chapter leaves the box running, polling, with slaves and broker up. */
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { get, put } from './artefacts.ts'
import type { Box } from './box.ts'
import { factoryReset, setUpByStick } from './hand.ts'
import { type Lamps, type Role, type Shown, share, written } from './lamps.ts'
import { audited, powerCuts } from './power-cuts.ts'
import { fullPartition, writeProtected } from './storage.ts'
import type { Figures, Flowing } from './transcript.ts'
import { rolledBack, updated } from './update.ts'

const FIELD = 'fieldgate-field.service'
const UNITS = ['fieldgate-field', 'fieldgate-uplink', 'fieldgate-console']
const TOPICS = ['/neuron/emqx/usb_device/demo', '/neuron/emqx/pci_device/demo']

export interface Chapter {
  readonly name: string
  /** The next ones make no sense without it. */
  readonly needed?: boolean
  readonly run: () => Promise<Figures>
}

export function chapters(
  box: Box,
  { cuts, bundle }: { readonly cuts: number; readonly bundle?: string | undefined },
): readonly Chapter[] {
  const { plant } = box
  const { received } = plant

  const flowing: Flowing = async (more, budgetMs) => {
    const before = TOPICS.map((topic) => received.look().topics.get(topic) ?? 0)
    await box.guest.until(`${more} messages of each wire`, budgetMs, () =>
      TOPICS.every((topic, at) => (received.look().topics.get(topic) ?? 0) >= before[at]! + more) ? true : undefined,
    )
  }
  /** Until a lamp shows what is expected of it. */
  const shows = async (lamps: Lamps, role: Role, is: (shown: readonly Shown[]) => boolean): Promise<string> => {
    let last: readonly Shown[] = []
    await box.guest
      .until(`${role} to show it`, 60_000, async () => {
        last = (await lamps.watch(4000))[role]
        return is(last) || undefined
      })
      .catch((thrown: unknown) => {
        throw new Error(`${String(thrown)}; it showed ${written(last)}`)
      })
    return written(last, 8)
  }
  /** MB of these units' processes. */
  const resident = async (units: readonly string[]): Promise<number> => {
    const pids = units.map((unit) => `$(systemctl show -P MainPID ${unit})`).join(' ')
    const count = `for pid in ${pids}; do grep VmRSS /proc/$pid/status; done | awk '{ sum += $2 } END { print sum }'`
    const mb = Math.round(Number(await box.guest.do(count)) / 1024)
    if (!(mb > 50)) throw new Error('the memory of the service cannot be read')
    return mb
  }
  const isFine = (shown: readonly Shown[]): boolean => share(shown, 'green') > 0.8 && share(shown, 'red') === 0

  return [
    {
      name: 'boots through EDK2 and GRUB, takes gateway.yaml from the FAT partition, and polls',
      needed: true,
      run: async () => {
        box.provision()
        await box.on('firmware')
        await box.ready(240_000)
        const polled = await box.guest.until('the first poll', 60_000, () => plant.usb.askedAt ?? plant.pci.askedAt)
        return {
          'seconds to first poll': box.secondsOn(polled),
          systemd: await box.guest.do('systemd-analyze time | head -1'),
        }
      },
    },
    {
      name: 'values of ttyUSB0 and ttyS0 arrive at the broker on the host',
      needed: true,
      run: async () => {
        await flowing(5, 90_000)
        const { values } = JSON.parse(received.last.slice(received.last.indexOf('{'))) as {
          values: { temperature: number; humidity: number }
        }
        const isTrue =
          values.temperature >= 280 && values.temperature <= 310 && values.humidity >= 700 && values.humidity <= 730
        if (!isTrue) throw new Error(`these are not the slave's values: ${received.last}`)
        return Object.fromEntries(TOPICS.map((topic) => [topic, received.topics.get(topic)!]))
      },
    },
    {
      name: 'the halves run under systemd, each as its own user, ready and watched',
      run: async () => {
        const figures: Record<string, string> = {}
        for (const unit of UNITS) {
          const said = await box.guest.do(`systemctl show -p ActiveState,User,Type,WatchdogUSec,NRestarts ${unit}`)
          const facts = new Map(said.split('\n').map((line) => line.split('=') as [string, string]))
          const isRight =
            facts.get('ActiveState') === 'active' && facts.get('User') === unit && facts.get('NRestarts') === '0'
          if (!isRight) throw new Error(`${unit}: ${said}`)
          figures[unit] = `${facts.get('User')} ${facts.get('Type')} ${facts.get('WatchdogUSec')}`
        }
        const failed = await box.guest.ask('systemctl --failed --plain --no-legend')
        if (failed.output.trim() !== '') throw new Error(`failed units: ${failed.output}`)
        const verify = await box.guest.ask(
          'systemd-analyze verify --man=no /usr/lib/systemd/system/fieldgate*.service',
          60_000,
        )
        if (verify.output.includes('fieldgate')) throw new Error(verify.output)
        return figures
      },
    },
    {
      name: 'fieldgate board finds all that the board names, beside the running service',
      run: async () => {
        const said = await box.guest.ask('fieldgate board --json', 60_000)
        const { parts } = JSON.parse(said.output.slice(said.output.indexOf('{'))) as {
          parts: readonly { part: string; name: string; state: string; text: string }[]
        }
        const wrong = parts.filter(({ state }) => state !== 'found')
        if (wrong.length > 0 || said.status !== 0) throw new Error(JSON.stringify(wrong))
        const of = (part: string): string => parts.find((one) => one.part === part)?.text ?? 'not named'
        return { port: of('port'), button: of('button'), watchdog: of('watchdog') }
      },
    },
    {
      name: 'memory: the service split ≤ 260 MB, the system ≤ 300 MB',
      run: async () => {
        const used = await box.guest.do(
          `awk '/MemTotal/ { t = $2 } /MemAvailable/ { a = $2 } END { print t - a }' /proc/meminfo`,
        )
        const figures = { 'service MB': await resident(UNITS), 'system MB': Math.round(Number(used) / 1024) }
        if (figures['service MB'] > 260 || figures['system MB'] > 300) throw new Error(JSON.stringify(figures))
        return figures
      },
    },
    {
      name: 'memory: the service in one process ≤ 130 MB, with the log of the two and back',
      run: async () => {
        await box.guest.do('systemctl start fieldgate.service', 150_000)
        let figures: { 'service MB': number }
        try {
          await flowing(5, 90_000)
          figures = { 'service MB': await resident(['fieldgate']) }
        } finally {
          await box.guest.do('systemctl start fieldgate.target', 150_000)
        }
        await flowing(3, 90_000)
        await box.ready()
        if (figures['service MB'] > 130) throw new Error(JSON.stringify(figures))
        return figures
      },
    },
    {
      name: 'the lamps are green with a gap, as the lines of the chip show',
      run: async () => {
        const lamps = await box.lamps()
        return { BUS: await shows(lamps, 'BUS', isFine), NET: await shows(lamps, 'NET', isFine) }
      },
    },
    {
      name: 'a slave dies: BUS turns red, and green when it is back',
      run: async () => {
        const lamps = await box.lamps()
        await plant.usb.down()
        const dead = await shows(lamps, 'BUS', (shown) => share(shown, 'red') > 0.1 && share(shown, 'green') === 0)
        await plant.usb.up()
        await shows(lamps, 'BUS', isFine)
        return { dead }
      },
    },
    {
      name: 'the broker goes away: NET is amber, what was read meanwhile arrives when it is back',
      run: async () => {
        const lamps = await box.lamps()
        plant.link.cut()
        const away = await shows(lamps, 'NET', (shown) => share(shown, 'amber') > 0.2)
        plant.link.mend()
        await flowing(5, 60_000)
        await shows(lamps, 'NET', isFine)
        return { away }
      },
    },
    {
      name: 'the button, held for a second: the lamps chase',
      run: async () => {
        const lamps = await box.lamps()
        await lamps.press(1500)
        const shown = await lamps.watch(4000)
        const steps = (['SYS', 'BUS', 'NET', 'HA'] as const).map(
          (role) => shown[role].filter(({ colour }) => colour !== 'off').length,
        )
        if (steps.some((count) => count < 3)) throw new Error(`no chase: ${JSON.stringify(shown)}`)
        return { 'lights in 4 s': steps.join(' ') }
      },
    },
    {
      name: 'SIGSTOP on the field half: its watchdog has it restarted, and it polls',
      run: async () => {
        const before = Number(await box.guest.do(`systemctl show -P NRestarts ${FIELD}`))
        const from = performance.now()
        await box.guest.do(`kill -STOP $(systemctl show -P MainPID ${FIELD})`)
        await box.guest.until('the restart', 120_000, async () => {
          await sleep(3000)
          const now = Number(await box.guest.do(`systemctl show -P NRestarts ${FIELD}`))
          return now > before || undefined
        })
        const restarted = Math.round((performance.now() - from) / 1000)
        await flowing(3, 120_000)
        const said = await box.guest.do(`journalctl -b -t systemd -o cat | grep 'Watchdog timeout' | tail -1`)
        // One restart is not the end of them.
        const { output } = await box.guest.ask(
          `journalctl -b -t systemd -o cat --no-pager | grep -E '(Starting|Started|Finished) fieldgate-gave-up@'`,
        )
        if (output.trim() !== '') throw new Error(`after one restart the unit counts as given up: ${output}`)
        return {
          'seconds to restart': restarted,
          'seconds to values': Math.round((performance.now() - from) / 1000),
          systemd: said,
        }
      },
    },
    {
      name: 'a crashed kernel is reset by the i6300esb watchdog, and polling resumes',
      run: async () => {
        // Left to itself the kernel would restart after ten seconds: here nothing but the watchdog can.
        await box.guest.do('sysctl -w kernel.panic=0')
        const from = performance.now()
        void box.guest
          .ask('sync; echo 1 > /proc/sys/kernel/sysrq; echo c > /proc/sysrq-trigger', 1000)
          .catch(() => undefined)
        await box.guest.until('the watchdog', 120_000, () => box.guest.events.find(({ event }) => event === 'WATCHDOG'))
        const bitten = Math.round((performance.now() - from) / 1000)
        await box.ready(240_000)
        await flowing(3, 120_000)
        return { 'seconds to the bite': bitten, 'seconds to values': Math.round((performance.now() - from) / 1000) }
      },
    },
    { name: 'the receipts add up: audited in the box, nothing is missing', run: () => audited(box) },
    {
      name: 'switched off and on: configuration, log and identity are the same',
      run: async () => {
        const facts = 'cat /etc/machine-id; sha256sum < /etc/fieldgate/gateway.yaml; ls /var/lib/fieldgate/log'
        const before = await box.guest.do(facts)
        await box.shutDown()
        if (get(box.medium, 'fieldgate/gateway.yaml') !== undefined)
          throw new Error('gateway.yaml still lies on the FAT partition')
        const report = get(box.medium, 'fieldgate/report.txt')
        if (report === undefined) throw new Error('there is no report.txt')
        await box.on('direct')
        await box.ready()
        const after = await box.guest.do(facts)
        if (after !== before) throw new Error(`before: ${before}\nafter: ${after}`)
        await flowing(3, 90_000)
        return { report: report.trim().split('\n')[0]! }
      },
    },
    {
      name: `${cuts} power cuts during traffic: every acknowledged batch arrives`,
      run: () => powerCuts(box, cuts, flowing),
    },
    {
      name: 'a bad gateway.yaml on the FAT partition changes nothing, and report.txt says why',
      run: async () => {
        await box.shutDown()
        writeFileSync(`${box.medium}.yaml`, 'connections:\n  usb: { driver: modbus-rtu, prt: rs485-1 }\n')
        put(box.medium, `${box.medium}.yaml`, 'fieldgate/gateway.yaml')
        await box.on('direct')
        await box.ready()
        await flowing(3, 90_000)
        await box.shutDown()
        const report = get(box.medium, 'fieldgate/report.txt') ?? ''
        await box.on('direct')
        await box.ready()
        const line = report.split('\n').find((each) => /:2:\d+/.test(each))
        if (line === undefined) throw new Error(`report.txt names no line: ${report}`)
        return { report: line.trim() }
      },
    },
    {
      name: 'the data partition is full to its last block: told with a remedy, polling goes on, and storing when there is room',
      run: () =>
        fullPartition(box, { flowing }).finally(() => box.guest.ask('rm -f /data/filler /data/filler.rest', 60_000)),
    },
    {
      name: 'the medium is write-protected: told, and the box works in memory',
      run: () => writeProtected(box, { flowing }),
    },
    {
      name: 'a stick is taken when the button has been held for five seconds, and not before',
      run: () => setUpByStick(box, { flowing }),
    },
    {
      name: 'the button, held for fifteen seconds: all is as it came, and the box is set up anew',
      run: () => factoryReset(box, { flowing }),
    },
    {
      name: 'an update from a stick starts in the other slot and is called good',
      run: async () => {
        if (bundle === undefined) throw new Error('there is no update: run "npm run image -- --bundle" first')
        return updated(box, { bundle, flowing })
      },
    },
    {
      name: 'a slot that does not start is left after three tries for the one before',
      run: () => rolledBack(box, { flowing }),
    },
  ]
}
