/** The demo's configuration: a file as a person would write it, and therefore an example too. */

export interface DemoPlaces {
  readonly pressPort: number
  readonly ovenPort: number
  readonly conveyorPort: number
  readonly brokerPort: number
  /** The log's folder. */
  readonly log: string
  /** All devices switched off: what is left to do is to deliver. */
  readonly resting?: boolean
}

export function demoConfiguration(places: DemoPlaces): string {
  const rest = places.resting ? '\n    enabled: false' : ''
  return `# The plant of "fieldgate demo": three devices on Modbus TCP, two on one RS-485 line, one broker.
gateway: { id: demo, enterprise: acme, site: ulm, area: press-hall, line: l1 }
board: simulated

connections:
  press-net:    { driver: modbus-tcp, host: 127.0.0.1, port: ${places.pressPort}, timeout: 1s }
  oven-net:     { driver: modbus-tcp, host: 127.0.0.1, port: ${places.ovenPort}, timeout: 1s }
  conveyor-net: { driver: modbus-tcp, host: 127.0.0.1, port: ${places.conveyorPort}, timeout: 1s }
  bus:          { driver: modbus-rtu, port: rs485-1, baudRate: 19200, parity: even, timeout: 500ms }

devices:
  press:
    connection: press-net
    unitId: 1${rest}
    groups:
      cycle:
        every: 200ms
        tags:
          state:    { address: "40001", type: uint16, enum: { 0: resting, 1: closing, 2: pressing, 3: opening } }
          position: { address: "40002", type: int16, scale: 0.1, precision: 1, unit: mm }
          force:    { address: "40003", type: float32, precision: 1, unit: kN }
          cycles:   { address: "40005", type: uint32 }
          guard:    { address: "40007.0", type: bool }
          oil-hot:  { address: "40007.8", type: bool }
          sequence: { address: "40008", type: uint32 }
      health:
        every: 2s
        tags:
          oil:      { address: "40101", type: int16, scale: 0.1, precision: 1, unit: "°C" }
          pressure: { address: "40102", type: uint16, scale: 0.1, precision: 1, unit: bar }
          hours:    { address: "40103", type: uint32, scale: 0.1, precision: 1, unit: h }
          running:  { address: "00001", type: bool, access: rw }
          sequence: { address: "40105", type: uint32 }
  oven:
    connection: oven-net
    unitId: 2${rest}
    groups:
      zones:
        every: 500ms
        tags:
          zone-1:   { address: "30001", type: int16, scale: 0.1, precision: 1, unit: "°C" }
          zone-2:   { address: "30002", type: int16, scale: 0.1, precision: 1, unit: "°C" }
          # Its wire breaks now and then: the amplifier then sends 0x7fff, which is no temperature.
          exhaust:  { address: "30003", type: int16, scale: 0.1, precision: 1, unit: "°C", noValue: ["0x7fff"] }
          duty:     { address: "30004", type: uint16, scale: 0.1, precision: 1, unit: "%" }
          heating:  { address: "30005", type: uint16, unit: W }
          door:     { address: "10001", type: bool }
          ready:    { address: "10002", type: bool }
          setpoint: { address: "40001", type: int16, scale: 0.1, unit: "°C", access: rw, limits: [20, 300] }
          sequence: { address: "30006", type: uint32 }
  conveyor:
    connection: conveyor-net
    unitId: 3${rest}
    groups:
      belt:
        every: 500ms
        tags:
          speed:    { address: "40002", type: uint16, scale: 0.1, precision: 1, unit: m/min }
          pieces:   { address: "40003", type: uint16, counter: { wrap: 65536 } }
          power:    { address: "40004", type: uint16, unit: W }
          moving:   { address: "40005.0", type: bool }
          wanted:   { address: "40001", type: uint16, scale: 0.1, unit: m/min, access: rw, limits: [0, 60] }
          sequence: { address: "40006", type: uint32 }
  # The register map of an Eastron SDM630; only the sequence is the demo's own.
  meter:
    connection: bus
    unitId: 1${rest}
    groups:
      power:
        every: 1s
        tags:
          voltage-l1: { address: "30001", type: float32, precision: 1, unit: V }
          voltage-l2: { address: "30003", type: float32, precision: 1, unit: V }
          voltage-l3: { address: "30005", type: float32, precision: 1, unit: V }
          current-l1: { address: "30007", type: float32, precision: 2, unit: A }
          current-l2: { address: "30009", type: float32, precision: 2, unit: A }
          current-l3: { address: "30011", type: float32, precision: 2, unit: A }
          power:      { address: "30053", type: float32, precision: 0, unit: W }
          factor:     { address: "30063", type: float32, precision: 3 }
          frequency:  { address: "30071", type: float32, precision: 2, unit: Hz }
          import:     { address: "30073", type: float32, precision: 2, unit: kWh }
          sequence:   { address: "31001", type: uint32 }
  tank:
    connection: bus
    unitId: 5${rest}
    groups:
      level:
        every: 1s
        tags:
          level:    { address: "40001", type: uint16, scale: 0.01, precision: 1, unit: "%" }
          inflow:   { address: "40002", type: uint16, scale: 0.01, precision: 2, unit: l/s }
          suction:  { address: "40003", type: int16, unit: mbar }
          pump:     { address: "10001", type: bool }
          overflow: { address: "10002", type: bool }
          sequence: { address: "40004", type: uint32 }

sinks:
  broker: { type: mqtt, url: "mqtt://127.0.0.1:${places.brokerPort}", version: "3.1.1", format: values, qos: 1, from: oldest }

log: { path: ${JSON.stringify(places.log)}, quota: 16MiB, commitEvery: 200ms }
`
}
