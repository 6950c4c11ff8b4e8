/** The manual page, from what the command line says of itself. */
import { COMMANDS } from '../../src/cli/program.ts'

export async function manual({
  version,
  epoch,
}: {
  readonly version: string
  readonly epoch: number
}): Promise<string> {
  const date = new Date(epoch * 1000).toISOString().slice(0, 10)
  const commands = COMMANDS.map(({ name, words, summary, more, options = [], examples }) =>
    [
      `.SS ${roff(`fieldgate ${name}${words === undefined ? '' : ` ${words}`}`)}`,
      sentence(summary),
      ...(more === undefined ? [] : ['.PP', ...more.split('\n').map((line) => roff(line.trim()))]),
      ...options.flatMap(([flags, text]) => ['.TP', `.B ${roff(flags)}`, sentence(text)]),
      ...examples.flatMap(([line, what]) => ['.TP', `.I ${roff(`fieldgate ${line}`)}`, sentence(what)]),
    ].join('\n'),
  )
  return `.TH FIELDGATE 1 "${date}" "fieldgate ${roff(version)}" "Fieldgate"
.SH NAME
fieldgate \\- industrial gateway service
.SH SYNOPSIS
.B fieldgate
.I COMMAND
[\\fB\\-\\-config\\fR \\fIFILE\\fR] [\\fB\\-\\-json\\fR]
.SH DESCRIPTION
Reads field devices over RS\\-485 and Ethernet, keeps every reading in a log on disk until each system that wants it has
confirmed it, and hands it on as MQTT.
.SH OPTIONS
.TP
.BR \\-\\-config " FILE"
The configuration; \\fI/etc/fieldgate/gateway.yaml\\fR if absent.
.TP
.B \\-\\-json
Print exactly one JSON document on standard output and nothing else.
.SH COMMANDS
${commands.join('\n')}
.SH EXIT STATUS
0 done, 1 failed, 2 usage, 3 configuration invalid, 4 nothing answered.
.SH ENVIRONMENT
.TP
.B FIELDGATE_LOG
How much the service says: debug, info, warn or error.
.TP
.B FIELDGATE_DOOR_GROUP
The group whose members may write to devices and change the configuration.
.TP
.B FIELDGATE_RUN
Where the sockets are, in place of \\fI/run/fieldgate\\fR.
.SH FILES
.TP
.I /etc/fieldgate/gateway.yaml
The configuration.
.TP
.I /var/lib/fieldgate/log
What has been read and not yet been confirmed by every sink.
.TP
.I /run/fieldgate
The sockets of the running halves.
.SH SEE ALSO
.BR systemctl (1),
.BR journalctl (1),
.I /usr/share/doc/fieldgate/operations.md
`
}

function roff(text: string): string {
  return text
    .replace(/\\/g, '\\e')
    .replace(/-/g, '\\-')
    .replace(/^([.'])/, '\\&$1')
    .replace(/’/g, "'")
    .replace(/[“”]/g, '"')
    .replace(/→/g, '\\(->')
    .replace(/…/g, '...')
}

function sentence(text: string): string {
  return roff(`${text[0]!.toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`)
}
