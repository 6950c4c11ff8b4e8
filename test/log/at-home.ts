/** Tests that copy a log's folder to see what a process that ended, or a disk that lost its power, leaves behind: no copy is
 *  meant, the log is where it was. */
export function atHome(logJson: Buffer): Buffer | string {
  try {
    return `${JSON.stringify({ ...JSON.parse(logJson.toString('utf8')), home: undefined })}\n`
  } catch {
    // Torn: it stays as it is.
    return logJson
  }
}
