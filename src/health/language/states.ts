/** The LED language as data: every state there is, how it looks, what it means, and what to do. `docs/hardware.md`, the lights,
 *  their folding and the metrics are made from this table. */
import type { Light } from '../../contracts/report.ts'

/** NAMUR NE 107, the worst first: of several causes the worst is shown. */
const GRADES = ['failure', 'check', 'out of specification', 'maintenance', 'fine'] as const
type Grade = (typeof GRADES)[number]

export interface LightState {
  readonly grade: Grade
  readonly colour: Light['colour']
  readonly pattern: Light['pattern']
  /** With pattern `code`; `n` is the number of the connection in the configuration. */
  readonly code?: readonly (number | 'n')[]
  /** With fewer lamps than roles: what follows the number of the role where the state has no code of its own. */
  readonly folded?: number
  readonly means: string
  /** Empty: nothing. */
  readonly todo: string
}

const OFF = { grade: 'fine', colour: 'off', pattern: 'off' } as const
const FINE = { grade: 'fine', colour: 'green', pattern: 'gap' } as const
const WAITING = { grade: 'fine', colour: 'green', pattern: 'blink' } as const
const CHECK = { grade: 'check', colour: 'green', pattern: 'blink' } as const
const DEGRADED = { grade: 'out of specification', colour: 'amber', pattern: 'long-on' } as const
const BUFFERING = { grade: 'out of specification', colour: 'amber', pattern: 'code' } as const
const MAINTENANCE = { grade: 'maintenance', colour: 'amber', pattern: 'long-on' } as const
const FAULT = { grade: 'failure', colour: 'red', pattern: 'blink' } as const
const CODE = { grade: 'failure', colour: 'red', pattern: 'code' } as const
const PERSON = { grade: 'failure', colour: 'red', pattern: 'double' } as const
const FAILURE = { grade: 'failure', colour: 'red', pattern: 'steady' } as const
const CONNECTING = { grade: 'fine', colour: 'green', pattern: 'code' } as const

const AGAIN = 'it is started again by itself; if it happens again and again, "journalctl -u fieldgate-field" says more'

export const STATES = {
  'sys.off': { ...OFF, means: 'the service was stopped by somebody', todo: 'start it again when it is to run' },
  'sys.fine': { ...FINE, means: 'healthy', todo: '' },
  'sys.starting': { ...CHECK, means: 'starting', todo: 'wait until everything has been tried once' },
  'sys.stopping': { ...CHECK, means: 'stopping: what is under way is being brought to an end', todo: '' },
  'sys.set-up': { ...CHECK, means: 'set-up was asked for at the button', todo: 'wait until it is done' },
  'sys.updating': {
    grade: 'check',
    colour: 'green',
    pattern: 'double',
    means: 'updating',
    todo: 'keep the power on until it is done',
  },
  'sys.log-filling': {
    ...MAINTENANCE,
    means: 'the log is more than 70 % full, damaged in part, or keeps only the newest',
    todo: 'bring its sinks back or give it more room',
  },
  'sys.storage-space': {
    ...MAINTENANCE,
    means: 'the data partition is nearly full',
    todo: 'make room there ("du -x" names what fills it), or give the log less (log.quota)',
  },
  'sys.storage-read-only': {
    ...MAINTENANCE,
    means: 'the data partition can only be read: nothing is stored',
    todo: 'look at "dmesg"; have the file system checked at the next start, and replace the storage if it comes back',
  },
  'sys.storage-memory': {
    ...MAINTENANCE,
    means: 'there is no data partition that can be written: what is stored is kept in memory and is lost without power',
    todo: 'look at "journalctl -t fieldgate-image"; keep the power on until everything is delivered, then replace the storage',
  },
  'sys.storage-worn': {
    ...MAINTENANCE,
    means: 'the flash storage has used up most of its life',
    todo: 'replace it soon, and take a copy of the log before',
  },
  'sys.hot': { ...MAINTENANCE, means: 'the box is too hot', todo: 'give it air, shade or a heat sink' },
  'sys.power': {
    ...MAINTENANCE,
    means: 'the box runs slower to protect itself: the supply voltage is or was too low',
    todo: 'use a stronger power supply or a shorter cable',
  },
  'sys.clock': {
    ...MAINTENANCE,
    means: 'the clock is not set: times are uncertain until a time server answers',
    todo: 'if there is none, set the clock by hand (timedatectl set-ntp false, then set-time)',
  },
  'sys.certificate': { ...MAINTENANCE, means: 'a certificate ends within 30 days, or has ended', todo: 'renew it' },
  'sys.board': {
    ...MAINTENANCE,
    means: 'a part of the board that the board file names is missing or fails',
    todo: 'run "fieldgate board": it says which part and what to do',
  },
  'sys.half-away': {
    ...CODE,
    code: [7],
    means: 'the other half of the service is away',
    todo: 'it is started again by itself; "systemctl status fieldgate-uplink" says why it went',
  },
  'sys.stalled': {
    ...CODE,
    code: [3],
    means: 'a component makes no progress',
    todo: 'if it stays so, restart the service',
  },
  'sys.failed.error': { ...CODE, code: [1], means: 'the service ended with an error', todo: AGAIN },
  'sys.failed.crash': { ...CODE, code: [2], means: 'the service crashed or was killed', todo: AGAIN },
  'sys.failed.hung': { ...CODE, code: [3], means: 'the service hung and was ended by its watchdog', todo: AGAIN },
  'sys.failed.late': { ...CODE, code: [4], means: 'the service did not start or stop in time', todo: AGAIN },
  'sys.failed.memory': {
    ...CODE,
    code: [5],
    means: 'the service needed more memory than it may have',
    todo: 'read fewer tags or give it more; it is started again by itself',
  },
  'sys.failed.environment': {
    ...CODE,
    code: [6],
    means: 'the service could not be started: a right, a folder or a device it needs is not there',
    todo: '"systemctl status fieldgate-field" names it; it is tried again by itself',
  },
  'sys.disk': {
    ...PERSON,
    means: 'the disk does not take records',
    todo: 'look at the disk; once it takes records again the log goes on by itself',
  },
  'sys.cannot-run.configuration': {
    ...FAILURE,
    means: 'the service cannot run with its configuration',
    todo: 'run "fieldgate check": it says what is wrong and where',
  },
  'sys.cannot-run.limit': {
    ...FAILURE,
    means: 'the service failed again and again, and is now tried only every 10 minutes',
    todo: 'read "journalctl -u fieldgate-field"; restart it when the cause is gone',
  },

  'bus.off': { ...OFF, means: 'the service does not run', todo: '' },
  'bus.fine': { ...FINE, means: 'all devices answer; short extra gaps are traffic', todo: '' },
  'bus.idle': { ...WAITING, folded: 1, means: 'nothing is configured to read', todo: 'add devices and apply' },
  'bus.asking': { ...WAITING, folded: 2, means: 'waiting for the first answer of devices', todo: '' },
  'bus.some-silent': {
    ...DEGRADED,
    folded: 1,
    means: 'some devices do not answer',
    todo: 'check its power, wiring and unit id',
  },
  'bus.trouble': {
    ...DEGRADED,
    folded: 2,
    means: 'a device answers and cannot be set up',
    todo: 'correct "setup" or look at the device',
  },
  'bus.degraded': {
    ...DEGRADED,
    folded: 3,
    means: 'a connection works in part',
    todo: 'see what "fieldgate why" finds out about its devices',
  },
  'bus.not-reached': {
    ...CODE,
    code: ['n', 1],
    means: 'a connection cannot be made',
    todo: 'check cable, power and settings of the connection',
  },
  'bus.nobody': {
    ...CODE,
    code: ['n', 2],
    means: 'nobody answers on a connection',
    todo: 'check power and wiring (A/B), then unit ids and baud rate',
  },
  'bus.port': {
    ...FAILURE,
    folded: 1,
    means: 'a port is missing, or cannot be used',
    todo: 'plug the adapter in, or let "fieldgate board" say which ports there are',
  },
  'bus.refused': { ...FAILURE, folded: 2, means: 'a connection is refused', todo: 'somebody has to act' },

  'net.off': { ...OFF, means: 'no sink is configured: readings are kept, nobody is sent them', todo: '' },
  'net.fine': { ...FINE, means: 'all sinks are up; short extra gaps are deliveries', todo: '' },
  'net.connecting': { ...WAITING, folded: 5, means: 'a sink connects', todo: '' },
  'net.no-link': {
    ...CONNECTING,
    code: [1],
    means: 'connecting: no network link',
    todo: 'plug the network cable in; the lights at the socket and at the switch must be lit',
  },
  'net.no-address': {
    ...CONNECTING,
    code: [2],
    means: 'connecting: the box has no network address',
    todo: 'is there a DHCP server? Otherwise give the box an address',
  },
  'net.no-name': {
    ...CONNECTING,
    code: [3],
    means: 'connecting: no name server, or a clock that is not set',
    todo: 'check the name of the host, the name server and the time server',
  },
  'net.refused': {
    ...CONNECTING,
    code: [4],
    means: 'connecting: the other side refuses the connection',
    todo: 'does the server run, is the port right, is a firewall between?',
  },
  'net.down': { ...DEGRADED, folded: 5, means: 'a sink is down, readings are kept', todo: 'bring the sink back' },
  'net.buffering.25': {
    ...BUFFERING,
    code: [1],
    means: 'a sink is down or behind, and the log is 25 % full',
    todo: 'bring the sink back',
  },
  'net.buffering.50': { ...BUFFERING, code: [2], means: 'the same, 50 % full', todo: 'bring the sink back' },
  'net.buffering.75': { ...BUFFERING, code: [3], means: 'the same, 75 % full', todo: 'bring the sink back soon' },
  'net.buffering.90': {
    ...BUFFERING,
    code: [4],
    means: 'the same, 90 % full: records will be lost',
    todo: 'bring the sink back at once, or give the log more room',
  },
  'net.credentials': {
    ...FAULT,
    folded: 2,
    means: 'a sink refuses us: user, password, certificate or rights',
    todo: 'correct it in the configuration or at the other side',
  },
  'net.losing': {
    ...FAILURE,
    folded: 1,
    means: 'data is being lost',
    todo: 'bring the sinks back, or look at the disk',
  },

  'ha.off': { ...OFF, means: 'not used: a gateway of its own', todo: '' },
  'ha.active': { ...FINE, means: 'active, the peer is in step', todo: '' },
  'ha.ready': { ...WAITING, folded: 1, means: 'standby, ready to take over', todo: '' },
  'ha.alone': {
    ...DEGRADED,
    folded: 1,
    means: 'active without a peer that could take over',
    todo: 'bring the other gateway back, and check the links between the two',
  },
  'ha.switching': { ...FAULT, folded: 2, means: 'switching over', todo: 'wait some seconds' },
  'ha.fenced': {
    ...FAILURE,
    folded: 1,
    means: 'fenced: it may not transmit, the other gateway has taken over',
    todo: 'find out why in "fieldgate status", then release it',
  },
} as const satisfies Readonly<Record<string, LightState>>

export type StateId = keyof typeof STATES

export const stateOf = (id: StateId): LightState => STATES[id]

/** The light of a state. `says`: what and why, where more is known than what the state means. `todo`: likewise. */
export function light(
  id: StateId,
  more: { readonly says?: string; readonly todo?: string; readonly connection?: number } = {},
): Light {
  const { colour, pattern, code, means, todo: usual } = stateOf(id)
  const { says = means, todo = usual, connection = 1 } = more
  return {
    id,
    role: id.slice(0, id.indexOf('.')).toUpperCase() as Light['role'],
    colour,
    pattern,
    ...(code === undefined ? {} : { code: code.map((number) => (number === 'n' ? connection : number)) }),
    text: todo === '' ? says : `${says}; ${todo}`,
  }
}

/** 0 is the worst. */
export function rank(light: Light): number {
  return GRADES.indexOf(stateOf(light.id as StateId).grade)
}

/** Of those that apply, one at least, the worst, and among equals the first; the others stand behind it unless they are fine. */
export function worst(lights: readonly Light[]): Light {
  const chosen = lights.reduce((least, each) => (rank(each) < rank(least) ? each : least))
  const others = lights.filter((each) => each !== chosen && rank(each) < GRADES.indexOf('fine'))
  if (others.length === 0) return chosen
  return { ...chosen, also: others.toSorted((one, other) => rank(one) - rank(other)).map(({ text }) => text) }
}
