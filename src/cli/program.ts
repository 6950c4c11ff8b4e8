/** The command line: names, arguments and help of every command, and what becomes of its errors. A command's module is loaded only
 *  when it is used, so that `run` starts fast. */
import { CommanderError, Command as Parser } from 'commander'
import { ConfigurationFault, Retryable, sentence } from '../contracts/errors.ts'
import { SystemClock } from '../time/system-clock.ts'
import { type Command, Exit } from './command.ts'
import { locate } from './location.ts'
import { ProcessScreen } from './screen.ts'
import { version } from './version.ts'

interface Description {
  readonly name: string
  /** As commander reads it: `<required>`, `[optional]`, `<several...>`. */
  readonly words?: string
  readonly summary: string
  readonly more?: string
  readonly options?: readonly (readonly [flags: string, text: string])[]
  readonly examples: readonly (readonly [line: string, what: string])[]
  /** Runs for years and stamps what it stores: it must know whether the system's clock is set. */
  readonly serves?: true
  readonly load: () => Promise<{ readonly command: Command }>
}

const DEFAULT_FILE = '/etc/fieldgate/gateway.yaml'

export const COMMANDS: readonly Description[] = [
  {
    name: 'run',
    summary: 'the service: reads the devices, keeps the log, delivers to the sinks',
    more:
      'Runs until SIGTERM or SIGINT, then drains for a bounded time. Logs are JSON lines on stderr, or\n' +
      'entries of the journal where stderr is that. SIGHUP takes the file anew, as apply does.\n' +
      'With --side it runs one half: field has the devices and writes the log, uplink delivers it. Two users of one group can\n' +
      'run them, field without a network to the outside, uplink without devices. Either half goes on while the other is away.\n' +
      'Beside them, --side console tells metrics and health of both over HTTP, without devices and without the log.',
    options: [['--side <side>', 'field, uplink or console; without it all run in one process']],
    examples: [
      ['run --config gateway.yaml', 'run with this file'],
      ['run --side field', 'the devices and the log'],
      ['run --side uplink', 'the sinks'],
      ['run --side console', 'metrics, health and status of both'],
    ],
    serves: true,
    load: () => import('./run.ts'),
  },
  {
    name: 'demo',
    summary: 'a simulated plant, an embedded broker, a gateway between them, and a live view',
    more:
      'Needs no hardware and no set-up; everything is on loopback and in a temporary folder that is removed at the end.\n' +
      'Keys: n pulls and plugs the network cable, d kills and revives a device, u unplugs and plugs the RS-485 adapter, q quits.\n' +
      'With --for it ends by itself, and its exit status is 0 only if everything that was stored was delivered. Without a\n' +
      'terminal it then pulls the cable and kills a device once on its own, so that the summary proves something.',
    options: [['--for <duration>', 'end after this time with a summary: 20s, 5m']],
    examples: [
      ['demo', 'watch it, and press n to pull the cable'],
      ['demo --for 20s', 'end after 20 seconds with a summary'],
      ['demo --for 20s --json', 'the summary as one JSON document'],
    ],
    load: () => import('./demo.ts'),
  },
  {
    name: 'check',
    summary: 'validates the file; prints the requests it will make and what they cost the wire',
    more:
      'All problems are reported at once, each with file:line:column. Nothing is opened and nobody is asked. With --profile\n' +
      'it is about a device profile alone.',
    options: [['--profile <file>', 'validate this device profile instead of the configuration']],
    examples: [
      ['check --config gateway.yaml', 'is the file valid, and does the wire have the time?'],
      ['check --profile profiles/meter.yaml', 'is the profile valid, and which requests does it make?'],
      ['check --json', 'problems, requests and budgets as one JSON document'],
    ],
    load: () => import('./check.ts'),
  },
  {
    name: 'plan',
    summary: 'prints what the file would change in the running gateway',
    examples: [['plan --config gateway.yaml', 'what would be kept, restarted, added and removed']],
    load: () => import('./plan.ts'),
  },
  {
    name: 'apply',
    summary: 'makes the running gateway take the file; what did not change misses nothing',
    more: 'A file that fails any check changes nothing.',
    examples: [['apply --config gateway.yaml', 'check it, then put it into force']],
    load: () => import('./apply.ts'),
  },
  {
    name: 'status',
    summary: 'one screen: connections, devices, sinks, log, and the LEDs in words',
    examples: [
      ['status', 'of the gateway that runs with the default file'],
      ['status --json', 'the whole report as one JSON document'],
    ],
    load: () => import('./status.ts'),
  },
  {
    name: 'lights',
    words: '[action]',
    summary: 'what the lamps of the box show and why; lets them run so that the box is found, or tries them',
    more:
      'locate: the lamps run after each other for a minute. test: each shows green, amber, red and nothing, twice. stop: neither.\n' +
      'The running service does it; where none runs, the command does it by itself until it is over.\n' +
      'With --stopped SYS shows why the service ended, as systemd tells its ExecStopPost command and the unit of OnFailure: red\n' +
      'with a code while it is started again, steady red when that was given up, dark after a stop that was asked for. The other\n' +
      'lamps go dark. It ends at once, needs no valid configuration, and its exit status is 0 also where a lamp fails.',
    options: [['--stopped', 'show that the service has ended, by $SERVICE_RESULT and $EXIT_STATUS']],
    examples: [
      ['lights', 'the four lights, each with its sentence: what, why, what to do'],
      ['lights locate', 'which of these boxes is it?'],
      ['lights test', 'does every lamp work in every colour?'],
      ['lights --stopped', 'ExecStopPost of the unit that has the lamps'],
    ],
    load: () => import('./lights.ts'),
  },
  {
    name: 'values',
    words: '[path]',
    summary: 'live values with age and quality',
    more:
      'PATH is DEVICE, DEVICE/GROUP or DEVICE/GROUP/TAG; without it all values are shown.\n' +
      'With --follow a line is printed for each value that comes, until Ctrl-C; with --json --follow one JSON document a line.',
    options: [['--follow', 'print values as they come, until interrupted']],
    examples: [
      ['values', 'all values'],
      ['values oven --follow', 'values of one device as they come'],
      ['values oven/zones/temperature --json', 'one value as one JSON document'],
    ],
    load: () => import('./values.ts'),
  },
  {
    name: 'read',
    words: '<connection> <words...>',
    summary: 'one request by hand: shows every type and order side by side',
    more:
      'WORDS are the driver’s; for Modbus: UNIT ADDRESS [TYPE]. The running gateway sends the request between its own.\n' +
      'Exit status 4: nothing answered.',
    examples: [
      ['read plc7 1 40001', 'one register of unit 1 in every type that fits'],
      ['read bus1 3 input:0x34 float32', 'a float32 in every order'],
    ],
    load: () => import('./read.ts'),
  },
  {
    name: 'write',
    words: '<target> <words...>',
    summary: 'one write: a tag by name, or an address by hand',
    more:
      'TARGET is DEVICE/GROUP/TAG, followed by the value in engineering units, and by more tags of the group with theirs; or a\n' +
      'connection’s name, followed by the driver’s words, for Modbus: UNIT ADDRESS TYPE VALUE. Exit status 1: refused or failed, and the text says why. A write that was\n' +
      'sent and never answered is not repeated; its outcome is called unknown.',
    examples: [
      ['write oven/zones/setpoint 182.5', 'a tag, in engineering units'],
      ['write oven/zones/setpoint 182.5 ramp 4', 'two tags of one group, in this order'],
      ['write plc7 1 40010 int16 -25', 'a register by hand'],
    ],
    load: () => import('./write.ts'),
  },
  {
    name: 'scan',
    words: '<connection>',
    summary: 'who answers: units, what they are, and where asked baud rates and parities',
    more:
      'Polling goes on between the questions. With --baud or --parity the port of a serial line is opened with those settings\n' +
      'by turns, polling being paused for some seconds at a time, and put back in any case. Exit status 4: nobody answered.',
    options: [
      ['--units <list>', 'numbers and ranges: 1-32,247 (all there are)'],
      ['--baud <list>', 'rates to try: 9600,19200,115200 or all'],
      ['--parity <list>', 'parities to try: none,even,odd or all'],
      ['--timeout <duration>', 'how long each unit is waited for (300ms on a line, 1s over TCP)'],
    ],
    examples: [
      ['scan bus1', 'all units, with the settings of the line'],
      ['scan bus1 --units 1-32 --baud all --parity all', 'find out the settings'],
      ['scan plc7 --units 1-10 --json', 'as one JSON document'],
    ],
    load: () => import('./scan.ts'),
  },
  {
    name: 'why',
    words: '<device>',
    summary: 'why a device does not answer: step by step, ending in one sentence and one thing to do',
    more:
      'Asks the device, its neighbours and, on a silent line, other settings, each between two polls. Where the door is shut\n' +
      'nothing is sent, and only what is known already is told. Exit status 4: the device does not answer.',
    examples: [
      ['why oven', 'find out'],
      ['why oven --json', 'steps, sentence and action as one JSON document'],
    ],
    load: () => import('./why.ts'),
  },
  {
    name: 'trace',
    words: '<connection>',
    summary: 'frames as they pass, decoded, with timing and verdict',
    more:
      'Follows until Ctrl-C. Every connection remembers its last frames (1 MiB of them), and those around its last faults:\n' +
      '--last and --frozen show what is past. It only looks: nothing is sent. With --json: one document a frame, or one for\n' +
      'what is past. Files are written beside what is shown.',
    options: [
      ['--last <frames>', 'the last so many frames instead of those to come'],
      ['--frozen', 'what surrounded the last faults'],
      ['--for <duration>', 'end after this time: 20s, 5m'],
      ['--pcap <file>', 'write a capture for Wireshark and tshark'],
      ['--fixture <file>', 'write a text that the simulated wire replays'],
    ],
    examples: [
      ['trace bus1', 'watch the line, Ctrl-C ends it'],
      ['trace bus1 --frozen', 'what happened around the last faults'],
      ['trace plc7 --for 1m --pcap plc7.pcap', 'a minute of traffic for Wireshark'],
    ],
    load: () => import('./trace.ts'),
  },
  {
    name: 'log',
    words: '<action> [words...]',
    summary: 'what the log holds and for whom, what was lost; its records; another try for what was refused',
    more:
      'status: the receipt of each sink, its backlog, when that is drained, and when an outage would cost the first record.\n' +
      '  With --audit everything is counted again from the files; exit status 1: something differs, and the text says what.\n' +
      'gaps: the ledger of what was lost: when, how many, why, and for which sinks.\n' +
      'export: records as JSON lines, oldest first, one a batch, a gap, an event or a setting of the clock; --json changes\n' +
      '  nothing. Bigints are digits, bytes {base64}, NaN its name. A time is ISO 8601 (local without Z) or ago, such as 2h.\n' +
      'retry SINK [POSITION...]: the running gateway tries once more what the sink refused, all of it or these.\n' +
      'All but retry read the files themselves, whether the gateway runs or not, and change nothing.',
    options: [
      ['--audit', 'status: count again what the receipts say'],
      ['--from <time>', 'export: acquired at this time or later'],
      ['--to <time>', 'export: acquired before this time'],
      ['--device <name>', 'export: batches of this device only'],
      ['--group <name>', 'export: batches of groups of this name only'],
      ['--quarantine <sink>', 'export: what this sink refused, with its reason'],
    ],
    examples: [
      ['log status', 'how far each sink is, and how long the log lasts'],
      ['log status --audit --json', 'counted again from the files, as one JSON document'],
      ['log gaps', 'what was lost'],
      ['log export --from 2h --device oven', 'the last two hours of a device as JSON lines'],
      ['log retry emqx 1:4711', 'one refused record again'],
    ],
    load: () => import('./log.ts'),
  },
  {
    name: 'board',
    summary: 'the hardware: what the board names and what was found of it, what is missing, and what to do',
    more:
      'Ports with rights, holder, low latency and who switches the direction; LEDs and what drives them; button, watchdog and\n' +
      'GPIO chips; and serial ports that no name stands for yet. It only looks: nothing is taken, armed or switched. The service\n' +
      'may run or not, and the file may be wrong elsewhere. Exit status 1: something is missing, in use or refused.',
    examples: [
      ['board', 'what is there, and what to do about the rest'],
      ['board --json', 'as one JSON document'],
    ],
    load: () => import('./board.ts'),
  },
  {
    name: 'bundle',
    summary: 'one file with all that somebody needs who is to find out what is wrong, without passwords and keys',
    more:
      'A .tar.gz with status, board, metrics, check, what the log holds, the last frames and faults of each connection, journal, kernel,\n' +
      'disks and network. The configuration keeps its structure; values that may be secrets, and comments, are removed, and are\n' +
      'looked for in everything else. The service may run or not: a part that is not there says why. Names of devices, hosts and\n' +
      'addresses stay in it. Mode 0600.',
    options: [['--out <file>', 'where to, where nothing must stand yet (fieldgate-bundle-TIME.tar.gz here)']],
    examples: [
      ['bundle', 'collect everything into a file in this folder'],
      ['bundle --out /mnt/usb/gw-01.tar.gz --json', 'onto a stick, with a list of the parts as one JSON document'],
    ],
    load: () => import('./bundle.ts'),
  },
  {
    name: 'import',
    words: '[words...]',
    summary: 'connections, devices and tags from another product’s file, as a configuration of ours',
    more:
      'FILE is a table of tags (CSV), Neuron’s JSON or its table (CSV, xlsx), Telegraf’s TOML with inputs.modbus, or a device\n' +
      'profile of EdgeX. What cannot be carried over is listed on stderr and at the end of the result, and is left out. The\n' +
      'result is what check accepts. Exit status 1: nothing could be carried over.\n' +
      'With --sunspec the words are CONNECTION UNIT, and the running gateway reads the device (exit status 4: it does not answer).',
    options: [
      ['--format <name>', 'csv, neuron, telegraf or edgex; without it the file’s ending and content say'],
      ['--sunspec', 'ask the unit UNIT on CONNECTION of the running gateway for its SunSpec models'],
      ['--save-profile <file>', 'write a device of the configuration, and what was learnt of it, as a device profile'],
      ['--device <name>', 'the device of --save-profile'],
      ['--connection <name>', 'the connection the devices are on, where the file names none'],
      ['--output <file>', 'write the result there, where nothing must stand yet'],
    ],
    examples: [
      ['import telegraf.conf', 'print the configuration'],
      ['import --save-profile profiles/oven.yaml --device oven', 'a profile from a device that runs well'],
      ['import --sunspec plc7 126', 'an inverter or meter that describes itself'],
      ['import tags.xlsx --connection plc7 --output oven.yaml', 'tags of the connection plc7 of the configuration'],
    ],
    load: () => import('./import.ts'),
  },
]

/** Runs the command line and ends the process. */
export async function main(args: readonly string[]): Promise<void> {
  const screen = new ProcessScreen(process.stdout, process.stderr, process.env)
  const status = await execute(args, screen)
  // Standard output to a pipe or file is synchronous on POSIX systems; the callback covers the rest.
  process.stdout.write('', () => process.exit(status))
}

async function execute(args: readonly string[], screen: ProcessScreen): Promise<Exit> {
  const json = args.includes('--json')
  let status: Exit = Exit.done
  const parser = program(screen, async (description, words, options, common) => {
    const interruption = interruptions()
    const clock = new SystemClock()
    const unfollow = description.serves === true ? await clock.follow() : undefined
    try {
      const { command } = await description.load()
      status = await command({
        file: locate(common.config, process.env),
        json: common.json,
        words,
        options,
        screen,
        clock,
        signal: interruption.signal,
      })
    } finally {
      unfollow?.()
      interruption.end()
    }
  })
  try {
    await parser.parseAsync(args, { from: 'user' })
    return status
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      // Help and version that were asked for are an answer; everything else is a mistake in the line.
      if (thrown.exitCode === 0) return Exit.done
      if (json) screen.failure(thrown.message.replace(/^error: /, ''), Exit.usage)
      return Exit.usage
    }
    const failed = statusOf(thrown)
    screen.complain(explain(thrown))
    if (json) screen.failure(sentence(thrown), failed)
    return failed
  }
}

interface Common {
  readonly config: string
  readonly json: boolean
}

type Act = (
  description: Description,
  words: readonly string[],
  options: Readonly<Record<string, string | boolean | undefined>>,
  common: Common,
) => Promise<void>

function program(screen: ProcessScreen, act: Act): Parser {
  const parser = new Parser('fieldgate')
  parser
    .description('An industrial gateway: field devices in, a durable log between, brokers and databases out.')
    .option('--config <file>', 'the configuration', DEFAULT_FILE)
    .option('--json', 'print exactly one JSON document on stdout and nothing else', false)
    .version(version(), '--version', 'print the version')
    .helpOption('--help', 'show help')
    .helpCommand(false)
    .exitOverride()
    .configureHelp({
      showGlobalOptions: true,
      visibleGlobalOptions: (of) => (of === parser ? [] : [...parser.options]),
    })
    .configureOutput({
      writeOut: (text) => screen.raw(text),
      writeErr: (text) => screen.complain(text.replace(/\n+$/, '')),
      outputError: (text, write) => write(text.replace(/^error: /, 'fieldgate: ')),
      getOutHelpWidth: () => screen.columns,
      getErrHelpWidth: () => screen.columns,
      getOutHasColors: () => screen.colour,
      getErrHasColors: () => false,
    })
    .addHelpText('after', '\nExit status: 0 done, 1 failed, 2 usage, 3 configuration invalid, 4 nothing answered.')
  for (const description of COMMANDS) {
    const sub = parser.command(`${description.name} ${description.words ?? ''}`.trim())
    sub.description(description.summary).allowExcessArguments(false)
    for (const [flags, text] of description.options ?? []) sub.option(flags, text)
    sub.addHelpText('after', helpEnd(description))
    sub.action(async (...given: unknown[]) => {
      const options = given.at(-2) as Record<string, string | boolean | undefined>
      await act(description, sub.args, options, parser.opts<{ config: string; json: boolean }>())
    })
  }
  return parser
}

function helpEnd(description: Description): string {
  const width = Math.max(...description.examples.map(([line]) => line.length))
  const examples = description.examples.map(([line, what]) => `  fieldgate ${line.padEnd(width)}  ${what}`)
  return `${description.more === undefined ? '' : `\n${description.more}\n`}\nExamples:\n${examples.join('\n')}`
}

function statusOf(thrown: unknown): Exit {
  if (thrown instanceof ConfigurationFault) return Exit.configuration
  return thrown instanceof Retryable ? Exit.noAnswer : Exit.failed
}

/** A sentence for what we know; for what should not happen also where, so that it can be reported. */
function explain(thrown: unknown): string {
  const known = thrown instanceof Error && 'remedy' in thrown
  return known || !(thrown instanceof Error)
    ? `fieldgate: ${sentence(thrown)}`
    : `fieldgate: ${thrown.stack ?? thrown.message}`
}

/** The first SIGINT or SIGTERM asks the command to end, the second does not ask. */
function interruptions(): { readonly signal: AbortSignal; end(): void } {
  const controller = new AbortController()
  const interrupt = (): void => {
    if (controller.signal.aborted) process.exit(Exit.failed)
    controller.abort()
  }
  const names = ['SIGINT', 'SIGTERM'] as const
  for (const name of names) process.on(name, interrupt)
  return {
    signal: controller.signal,
    end: () => {
      for (const name of names) process.off(name, interrupt)
    },
  }
}
