/** How often each thing that can go wrong did, one set for a connection and one for each device on it. */
import { Verdict } from './frames/pdu.ts'

export class Tally {
  requests = 0
  replies = 0
  retries = 0
  /** Nobody answered in time. */
  timeouts = 0
  /** An answer came after its deadline and was dropped. */
  lateReplies = 0
  /** A request waited, because an answer to an earlier one could still have arrived. */
  quarantined = 0
  /** An answer came that may have been an older question's: it was not taken, and the question asked once more. */
  doubtfulReplies = 0
  /** Reads that were sent only so that nothing older could be taken for the answer to what followed. */
  clearingReads = 0
  /** Answers of other units, dropped. */
  foreignUnits = 0
  /** Bytes that belong to no frame. */
  garbageBytes = 0
  /** Frames of the right shape whose CRC does not hold. */
  crcErrors = 0
  /** Bytes that followed a frame: somebody else talks on the wire. */
  contention = 0
  /** Questions of another master on the line. */
  foreignQuestions = 0
  /** Answers to them. */
  foreignAnswers = 0
  echoes = 0
  /** The echo of a request differed from it. */
  collisions = 0
  /** Answers with another function than asked. */
  wrongFunctions = 0
  /** Answers with another byte count than asked. */
  wrongLengths = 0
  /** Writes confirmed with another address or value than sent. */
  wrongEchoes = 0
  /** Answers with a transaction id that is not waited for. */
  foreignTransactions = 0
  /** Modbus TCP headers that are none. */
  badHeaders = 0
  illegalFunctions = 0
  illegalAddresses = 0
  illegalValues = 0
  deviceFailures = 0
  deviceBusies = 0
  gatewayPaths = 0
  gatewayTargets = 0
  /** Registers that are left out because the device refuses them. */
  learntHoles = 0
  /** A queue that reading empties gave an answer that was lost. */
  recordsInDoubt = 0
  /** A queue gave what it had been told to drop: known by its content, and not handed on twice. */
  recordsReadAgain = 0
  connects = 0
  connectFailures = 0
  disconnects = 0
  /** A device dialled in while it still had a connection. */
  replacedCalls = 0
  /** The connection was given up because nothing at all came through it. */
  deaf = 0
  /** Writes that were sent and never answered. */
  unknownWrites = 0
  /** Parts of registers written by function 22. */
  maskWrites = 0
  /** Parts of registers read, changed and written back. */
  guardedWrites = 0
  /** What was read back was not what had been written. */
  readBackDiffers = 0
  /** What the configuration wants written before reading: done, and not. */
  setupWrites = 0
  setupFailures = 0

  exception(code: number): void {
    if (code === 1) this.illegalFunctions++
    else if (code === 2) this.illegalAddresses++
    else if (code === 3) this.illegalValues++
    else if (code === 5 || code === 6) this.deviceBusies++
    else if (code === 10) this.gatewayPaths++
    else if (code === 11) this.gatewayTargets++
    else this.deviceFailures++
  }

  /** A reply that is none, by the verdict on it. */
  objection(verdict: number): void {
    if (verdict === Verdict.wrongFunction) this.wrongFunctions++
    else if (verdict === Verdict.wrongEcho) this.wrongEchoes++
    else this.wrongLengths++
  }

  counters(): Readonly<Record<string, number>> {
    return { ...(this as object) }
  }
}
