/** What each counter counts, in a sentence for whoever has to do something about it, and what it is called as a metric. */

/** Whose counters: their metrics begin with `fieldgate_SCOPE_`, those of the gateway itself with `fieldgate_`. */
export type Scope = 'gateway' | 'connection' | 'device' | 'sink' | 'log' | 'process' | 'console'

const ON_THE_WIRE: Readonly<Record<string, string>> = {
  requests: 'Requests that were sent.',
  replies: 'Answers that were taken.',
  retries: 'Requests that were sent once more.',
  timeouts: 'Requests that nobody answered in time: device off, wrong unit id, wiring, or a timeout that is too short.',
  lateReplies: 'Answers that came after their deadline and were dropped: raise the timeout.',
  quarantined: 'Requests that waited because an answer to an earlier one could still have arrived.',
  doubtfulReplies: 'Answers that may have been to an older question: not taken, and asked once more.',
  clearingReads: 'Reads sent only so that nothing older could be taken for the answer to what followed.',
  foreignUnits: 'Answers of other units than the one asked, dropped: look for two devices with one address.',
  garbageBytes: 'Bytes that belong to no frame: noise, a wrong baud rate or parity, missing bias.',
  crcErrors: 'Frames whose check sum does not hold: noise, termination, or two senders at once.',
  contention: 'Bytes that followed a frame: somebody else talks on the wire.',
  foreignQuestions: 'Questions of another master on the line.',
  foreignAnswers: 'Answers to another master on the line.',
  echoes: 'Own requests heard back: the adapter echoes what it sends.',
  collisions: 'Echoes that differed from what was sent: somebody else talked at the same time.',
  wrongFunctions: 'Answers with another function than asked.',
  wrongLengths: 'Answers with another number of bytes than asked.',
  wrongEchoes: 'Writes confirmed with another address or value than sent.',
  foreignTransactions: 'Answers with a transaction number that nobody waits for.',
  badHeaders: 'Modbus TCP headers that are none: something else answers at that port.',
  illegalFunctions: 'Exception 1: the device does not know the function.',
  illegalAddresses: 'Exception 2: the device has no such address; check the register list and "digits".',
  illegalValues: 'Exception 3: the device refuses the count or the value.',
  deviceFailures: 'Exception 4 and others: the device could not do it.',
  deviceBusies: 'Exceptions 5 and 6: the device is busy.',
  gatewayPaths: 'Exception 10: a gateway on the way has no path to the device.',
  gatewayTargets: 'Exception 11: a gateway on the way reaches the device and gets no answer: look at its serial side.',
  learntHoles: 'Registers that are left out because the device refuses them.',
  recordsInDoubt: 'Answers lost of a queue that reading empties: a record may be gone.',
  recordsReadAgain: 'Records that a queue gave again after it was told to drop them: not handed on twice.',
  connects: 'Connections that were made.',
  connectFailures: 'Connections that could not be made.',
  disconnects: 'Connections that were lost.',
  replacedCalls: 'Calls of a device that still had a connection: the older one was dropped.',
  deaf: 'Connections given up because nothing at all came through them.',
  unknownWrites: 'Writes that were sent and never answered: whether they were carried out is unknown.',
  maskWrites: 'Parts of registers written by function 22.',
  guardedWrites: 'Parts of registers read, changed and written back.',
  readBackDiffers: 'Values read back after a write that were not what had been written.',
  setupWrites: 'Writes that the configuration wants before reading.',
  setupFailures: 'Writes that the configuration wants before reading and that failed: the device is not read.',
  writes: 'Values written.',
  refusals: 'Answers by which the device refused.',
  badAnswers: 'Answers that could not be understood.',
  losses: 'Connections that were lost.',
}

/** By the names that reports use. */
export const COUNTERS: Readonly<Record<Scope, Readonly<Record<string, string>>>> = {
  gateway: {
    batches: 'Readings of a group that came in from the devices.',
    batchesReported: 'Readings that were handed to the log.',
    batchesOfRemovedGroups: 'Readings dropped because their group had just been taken out of the configuration.',
    totalsReset: 'Rolling counters of devices that began anew.',
    deviceTimesRefused: 'Clocks of devices that cannot be true and were not taken: set the clock of the device.',
    writesDone: 'Writes that devices confirmed.',
    writesRefused: 'Writes refused before anything was sent: no right, outside the limits, or too many at once.',
    writesFailed: 'Writes that did not take place.',
    writesUnknown: 'Writes that were sent and never answered.',
    refreshes: 'Values written again so that the device goes on holding them.',
    refreshesFailed: 'Values that could not be written again in time.',
    writesExpired: 'Values let go of because nobody renewed them.',
    lettingsGo: 'Values set to what is written when they are let go of.',
    lettingsGoFailed: 'Values that could not be let go of yet.',
    lampWrites: 'Changes that lamps of the box were told.',
    lampFailures: 'Tries at which a lamp of the box did not do what it was told.',
    locates: 'Times that the lamps ran after each other so that the box is found.',
    setUps: 'Times that set-up was asked for at the button.',
    factoryResets: 'Times that a factory reset was asked for at the button.',
    buttonFaults: 'Times that something stood against the button: its line, or that it was stuck.',
  },
  connection: {
    ...ON_THE_WIRE,
    polls: 'Groups that were read.',
    slotsSkipped: 'Readings left out because the one before was not finished: the wire has no time for that interval.',
  },
  device: {
    ...ON_THE_WIRE,
    asked: 'Readings that were tried.',
    answered: 'Readings that the device answered.',
    missed: 'Readings that the device did not answer.',
    slotsNotSpent: 'Readings left out because the device was silent and others needed the wire.',
  },
  sink: {
    calls: 'Deliveries that were begun.',
    retried: 'Deliveries that failed and were tried again.',
    rejected: 'Records that the far side will never take.',
    quarantined: 'Records kept aside because the far side refuses them: see "fieldgate log status".',
    refused: 'Deliveries that stopped because a person is needed: credentials, rights, a wrong name.',
    unexpected: 'Deliveries that failed in a way nobody foresaw: report it, with the journal.',
    connects: 'Connections to the broker that were made.',
    connectFailures: 'Connections to the broker that could not be made.',
    refusals: 'Connections that the broker refused: credentials, rights or its limits.',
    disconnects: 'Connections to the broker that were lost.',
    published: 'Messages that were sent.',
    confirmed: 'Messages that the broker confirmed.',
    bytes: 'Bytes of the messages that were sent.',
    ackTimeouts: 'Messages that the broker did not confirm in time.',
    commands: 'Requests that came from the far side.',
    commandsIgnored: 'Requests from the far side that could not be understood or were repeats.',
    answersLost: 'Answers to requests that could not be sent.',
  },
  log: {
    appended: 'Records that were stored.',
    commits: 'Commits to the disk.',
    bytes: 'Bytes of the records that were stored.',
    refused: 'Records that could not be stored: the log is full or the disk fails.',
    evicted: 'Records deleted before every sink had them, because the log was full.',
    gaps: 'Gaps written into the log: see "fieldgate log gaps".',
    ioErrors: 'Errors of the disk or its file system: see the journal, and save the data.',
    segments: 'Files of the log that were begun.',
    unencodable: 'Records that could not be written in the form of the log: report it.',
    ballastFreed: 'Times that the reserve was given up because the disk was full.',
    damaged: 'Places in the log that could not be read.',
    confirmFailed: 'Confirmations of sinks that could not be stored at once: what they cover may be delivered again.',
  },
  process: {
    loopStalls:
      'Times in which the process did nothing else for too long: the processor is too weak or the disk too slow.',
    loopStalledMs: 'Time spent in such stalls.',
    watchdogFed: 'Times that the watchdog was fed.',
    watchdogFailed: 'Times that the watchdog of the box could not be fed: see the journal.',
    socketCalls: 'Calls over the sockets of the process, by commands and by the other half.',
    socketRefused: 'Calls refused because they could not be understood, or were too many.',
    socketFaults: 'Calls that failed inside: see the journal.',
    socketTooSlow: 'Callers let go of because they did not take what they had asked for.',
    socketCallersRefused: 'Callers refused because too many were there.',
    journalLost: 'Lines that the journal could not take.',
    notifyLost: 'Messages to systemd that it could not take: readiness, status, feedings of its watchdog.',
    watchdogWithheld: 'Times that the watchdog was not fed, because a component made no progress.',
  },
  console: {
    requests: 'Requests that came to the HTTP endpoint.',
    refusedHosts: 'Requests refused for their Host header: they came under a name that is not this box.',
    refusedMethods: 'Requests refused because only GET and HEAD are served.',
    refusedPaths: 'Requests for what is not there.',
    refusedRates: 'Requests refused because too many came at once.',
    refusedConnections: 'Connections refused because too many were open.',
    badRequests: 'Requests that are not HTTP, too long or too slow.',
    faults: 'Requests that failed inside: see the journal.',
    listenFailures: 'Times that the endpoint could not be opened: the address is not there or the port is taken.',
  },
}

/** undefined: nobody has described it yet. */
export function described(scope: Scope, counter: string): string | undefined {
  const known = COUNTERS[scope]
  return Object.hasOwn(known, counter) ? known[counter] : undefined
}

/** `crcErrors` of a connection: `fieldgate_connection_crc_errors_total`. What is counted in milliseconds is told in seconds. */
export function metricOf(scope: Scope, counter: string): { readonly name: string; readonly factor: number } {
  const snake = counter
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/[^A-Za-z0-9]+/g, '_')
    .toLowerCase()
  const inMs = /_ms$/.test(snake)
  const base = inMs ? snake.replace(/_ms$/, '_seconds') : snake
  const prefix = scope === 'gateway' ? 'fieldgate' : `fieldgate_${scope}`
  return { name: `${prefix}_${base}_total`, factor: inMs ? 0.001 : 1 }
}
