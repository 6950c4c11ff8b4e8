/** Numbers and bytes against the kernel's own headers: a C program that includes them says what they are. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as gpio from '../../../hal/linux/gpio/structures.ts'
import * as watchdog from '../../../hal/linux/watchdog/watchdog.ts'

const { LineFlag } = gpio
const installed = existsSync('/usr/bin/cc') && existsSync('/usr/include/linux/gpio.h')
if (!installed) console.warn('skipped: the structures of the kernel need cc and its headers, which are not installed')

const PROGRAM = `
#include <linux/gpio.h>
#include <linux/watchdog.h>
#include <stdio.h>
#include <string.h>

static void number(const char *name, unsigned long value) { printf("%s %lu\\n", name, value); }
static void bytes(const char *name, const void *at, unsigned long length) {
  printf("%s ", name);
  for (unsigned long i = 0; i < length; i++) printf("%02x", ((const unsigned char *)at)[i]);
  printf("\\n");
}
#define NUMBER(x) number(#x, (unsigned long)(unsigned int)(x))

int main(void) {
  NUMBER(GPIO_GET_CHIPINFO_IOCTL);
  NUMBER(GPIO_V2_GET_LINEINFO_IOCTL);
  NUMBER(GPIO_V2_GET_LINE_IOCTL);
  NUMBER(GPIO_V2_LINE_SET_CONFIG_IOCTL);
  NUMBER(GPIO_V2_LINE_GET_VALUES_IOCTL);
  NUMBER(GPIO_V2_LINE_SET_VALUES_IOCTL);
  number("CHIP_INFO_BYTES", sizeof(struct gpiochip_info));
  number("LINE_INFO_BYTES", sizeof(struct gpio_v2_line_info));
  number("LINE_CONFIG_BYTES", sizeof(struct gpio_v2_line_config));
  number("LINE_REQUEST_BYTES", sizeof(struct gpio_v2_line_request));
  number("LINE_VALUES_BYTES", sizeof(struct gpio_v2_line_values));
  number("LINE_EVENT_BYTES", sizeof(struct gpio_v2_line_event));
  NUMBER(WDIOC_GETSUPPORT);
  NUMBER(WDIOC_GETBOOTSTATUS);
  NUMBER(WDIOC_SETTIMEOUT);
  NUMBER(WDIOC_GETTIMEOUT);
  NUMBER(WDIOF_CARDRESET);
  NUMBER(WDIOF_SETTIMEOUT);
  NUMBER(WDIOF_MAGICCLOSE);
  number("WATCHDOG_INFO_BYTES", sizeof(struct watchdog_info));
  number("flag.used", GPIO_V2_LINE_FLAG_USED);
  number("flag.activeLow", GPIO_V2_LINE_FLAG_ACTIVE_LOW);
  number("flag.input", GPIO_V2_LINE_FLAG_INPUT);
  number("flag.output", GPIO_V2_LINE_FLAG_OUTPUT);
  number("flag.edgeRising", GPIO_V2_LINE_FLAG_EDGE_RISING);
  number("flag.edgeFalling", GPIO_V2_LINE_FLAG_EDGE_FALLING);
  number("flag.pullUp", GPIO_V2_LINE_FLAG_BIAS_PULL_UP);
  number("flag.pullDown", GPIO_V2_LINE_FLAG_BIAS_PULL_DOWN);
  number("flag.biasDisabled", GPIO_V2_LINE_FLAG_BIAS_DISABLED);

  struct gpiochip_info chip = { .name = "gpiochip0", .label = "pinctrl-rp1", .lines = 54 };
  bytes("chip", &chip, sizeof chip);

  struct gpio_v2_line_info asked = { .offset = 17 };
  bytes("asked", &asked, sizeof asked);
  struct gpio_v2_line_info line = { .name = "GPIO17", .consumer = "spi0 CS0", .offset = 17,
    .flags = GPIO_V2_LINE_FLAG_USED | GPIO_V2_LINE_FLAG_OUTPUT | GPIO_V2_LINE_FLAG_BIAS_DISABLED };
  bytes("line", &line, sizeof line);

  struct gpio_v2_line_request output = { .offsets = { 17 }, .consumer = "fieldgate", .num_lines = 1,
    .config = { .flags = GPIO_V2_LINE_FLAG_OUTPUT | GPIO_V2_LINE_FLAG_ACTIVE_LOW, .num_attrs = 1 } };
  output.config.attrs[0].attr.id = GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES;
  output.config.attrs[0].attr.values = 1;
  output.config.attrs[0].mask = 1;
  bytes("output", &output, sizeof output);

  struct gpio_v2_line_request input = { .offsets = { 300 }, .consumer = "fieldgate", .num_lines = 1,
    .config = { .flags = GPIO_V2_LINE_FLAG_INPUT | GPIO_V2_LINE_FLAG_EDGE_RISING | GPIO_V2_LINE_FLAG_EDGE_FALLING
      | GPIO_V2_LINE_FLAG_BIAS_PULL_UP, .num_attrs = 1 } };
  input.config.attrs[0].attr.id = GPIO_V2_LINE_ATTR_ID_DEBOUNCE;
  input.config.attrs[0].attr.debounce_period_us = 20000;
  input.config.attrs[0].mask = 1;
  bytes("input", &input, sizeof input);
  input.fd = 23;
  bytes("answered", &input, sizeof input);

  struct gpio_v2_line_config left = { .flags = GPIO_V2_LINE_FLAG_INPUT };
  bytes("left", &left, sizeof left);

  struct gpio_v2_line_values values = { .bits = 1, .mask = 1 };
  bytes("active", &values, sizeof values);
  values.bits = 0;
  bytes("inactive", &values, sizeof values);

  struct gpio_v2_line_event events[2] = {
    { .timestamp_ns = 123456789012345ULL, .id = GPIO_V2_LINE_EVENT_RISING_EDGE, .offset = 3, .seqno = 9, .line_seqno = 7 },
    { .timestamp_ns = 123456800000000ULL, .id = GPIO_V2_LINE_EVENT_FALLING_EDGE, .offset = 3, .seqno = 10, .line_seqno = 8 } };
  bytes("events", events, sizeof events);

  struct watchdog_info info = { .options = WDIOF_SETTIMEOUT | WDIOF_MAGICCLOSE, .firmware_version = 1 };
  memcpy(info.identity, "i6300ESB timer", 14);
  bytes("info", &info, sizeof info);
  return 0;
}
`

const OURS: Readonly<Record<string, number>> = {
  GPIO_GET_CHIPINFO_IOCTL: gpio.GPIO_GET_CHIPINFO_IOCTL,
  GPIO_V2_GET_LINEINFO_IOCTL: gpio.GPIO_V2_GET_LINEINFO_IOCTL,
  GPIO_V2_GET_LINE_IOCTL: gpio.GPIO_V2_GET_LINE_IOCTL,
  GPIO_V2_LINE_SET_CONFIG_IOCTL: gpio.GPIO_V2_LINE_SET_CONFIG_IOCTL,
  GPIO_V2_LINE_GET_VALUES_IOCTL: gpio.GPIO_V2_LINE_GET_VALUES_IOCTL,
  GPIO_V2_LINE_SET_VALUES_IOCTL: gpio.GPIO_V2_LINE_SET_VALUES_IOCTL,
  CHIP_INFO_BYTES: gpio.CHIP_INFO_BYTES,
  LINE_INFO_BYTES: gpio.LINE_INFO_BYTES,
  LINE_CONFIG_BYTES: gpio.LINE_CONFIG_BYTES,
  LINE_REQUEST_BYTES: gpio.LINE_REQUEST_BYTES,
  LINE_VALUES_BYTES: gpio.LINE_VALUES_BYTES,
  LINE_EVENT_BYTES: gpio.LINE_EVENT_BYTES,
  WDIOC_GETSUPPORT: watchdog.WDIOC_GETSUPPORT,
  WDIOC_GETBOOTSTATUS: watchdog.WDIOC_GETBOOTSTATUS,
  WDIOC_SETTIMEOUT: watchdog.WDIOC_SETTIMEOUT,
  WDIOC_GETTIMEOUT: watchdog.WDIOC_GETTIMEOUT,
  WDIOF_CARDRESET: watchdog.WDIOF_CARDRESET,
  WDIOF_SETTIMEOUT: watchdog.WDIOF_SETTIMEOUT,
  WDIOF_MAGICCLOSE: watchdog.WDIOF_MAGICCLOSE,
  WATCHDOG_INFO_BYTES: watchdog.WATCHDOG_INFO_BYTES,
}

describe.skipIf(!installed)('what is asked of the kernel', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fieldgate-header-'))
  const said = new Map<string, string>()
  beforeAll(() => {
    writeFileSync(join(folder, 'say.c'), PROGRAM)
    execFileSync('cc', ['-o', join(folder, 'say'), join(folder, 'say.c')])
    for (const row of execFileSync(join(folder, 'say'), { encoding: 'utf8' }).trim().split('\n')) {
      const [name, value] = row.split(' ')
      said.set(name!, value!)
    }
  })
  afterAll(() => rmSync(folder, { recursive: true }))
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
  const bytesOf = (name: string): Uint8Array => new Uint8Array(Buffer.from(said.get(name)!, 'hex'))

  it('has the numbers and sizes of the headers', () => {
    const numbers = [...said].filter(([name]) => /^[A-Z]/.test(name))
    expect(Object.fromEntries(numbers.map(([name, value]) => [name, Number(value)]))).toEqual(OURS)
  })

  it('has the flags of the header', () => {
    const flags = [...said].filter(([name]) => name.startsWith('flag.'))
    expect(Object.fromEntries(flags.map(([name, value]) => [name.slice(5), Number(value)]))).toEqual(LineFlag)
  })

  it('requests a line as the header lays it out', () => {
    const output = { flags: LineFlag.output | LineFlag.activeLow, active: true }
    expect(hex(gpio.encodeLineRequest({ offset: 17, consumer: 'fieldgate', config: output }))).toBe(said.get('output'))
    const input = {
      flags: LineFlag.input | LineFlag.edgeRising | LineFlag.edgeFalling | LineFlag.pullUp,
      debounceUs: 20_000,
    }
    expect(hex(gpio.encodeLineRequest({ offset: 300, consumer: 'fieldgate', config: input }))).toBe(said.get('input'))
    expect(gpio.lineDescriptor(bytesOf('answered'))).toBe(23)
  })

  it('configures, sets and asks as the header lays it out', () => {
    expect(hex(gpio.encodeLineConfig({ flags: LineFlag.input }))).toBe(said.get('left'))
    expect(hex(gpio.encodeLineValue(true))).toBe(said.get('active'))
    expect(hex(gpio.encodeLineValue(false))).toBe(said.get('inactive'))
    expect([gpio.decodeLineValue(bytesOf('active')), gpio.decodeLineValue(bytesOf('inactive'))]).toEqual([true, false])
    expect(hex(gpio.askLineInfo(17))).toBe(said.get('asked'))
  })

  it('understands chips, lines, edges and watchdogs', () => {
    expect(gpio.decodeChipInfo(bytesOf('chip'))).toEqual({ name: 'gpiochip0', label: 'pinctrl-rp1', lines: 54 })
    const flags = LineFlag.used | LineFlag.output | LineFlag.biasDisabled
    expect(gpio.decodeLineInfo(bytesOf('line'))).toEqual({ offset: 17, name: 'GPIO17', consumer: 'spi0 CS0', flags })
    expect(gpio.decodeLineEvents(bytesOf('events'))).toEqual([
      { active: true, at: 123_456_789.012345, number: 7 },
      { active: false, at: 123_456_800, number: 8 },
    ])
    const options = watchdog.WDIOF_SETTIMEOUT | watchdog.WDIOF_MAGICCLOSE
    expect(watchdog.decodeWatchdogInfo(bytesOf('info'))).toEqual({ options, identity: 'i6300ESB timer' })
  })

  it('cuts a consumer that is longer than the field', () => {
    const bytes = gpio.encodeLineRequest({ offset: 0, consumer: 'x'.repeat(40), config: { flags: LineFlag.input } })
    expect(bytes.length).toBe(gpio.LINE_REQUEST_BYTES)
    expect([bytes[256 + 30], bytes[256 + 31]]).toEqual(['x'.charCodeAt(0), 0])
  })
})
