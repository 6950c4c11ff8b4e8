/** What the image is made of: suites, packages, kernel, partitions. Changing a line here rebuilds the stages that depend on it. */

/** Every file of the image is dated thus, so that two builds of the same packages give the same bytes. 2026-01-01T00:00:00Z. */
export const EPOCH = 1767225600

export const SUITE = 'trixie'

/** Installed by dpkg with their maintainer scripts, under emulation. Nothing here may pull in initramfs-tools: it costs ten minutes. */
export const PACKAGES: readonly string[] = [
  'dbus',
  'dosfstools',
  'e2fsprogs',
  'fdisk',
  'iproute2',
  'iputils-ping',
  'kmod',
  'less',
  'libatomic1',
  'libdevmapper1.02.1',
  'libstdc++6',
  'netbase',
  'openssh-server',
  'procps',
  'rauc',
  'systemd',
  'systemd-repart',
  'systemd-resolved',
  'systemd-sysv',
  'systemd-timesyncd',
  'tzdata',
  'udev',
]

/** Only unpacked, on the host: their maintainer scripts are what takes the time under emulation, or would pull in more. */
export const UNPACKED = {
  kernel: 'linux-image-arm64',
  certificates: 'ca-certificates',
  busybox: 'busybox-static',
  grub: 'grub-efi-arm64-unsigned',
  grubTools: 'grub-common',
  piFirmware: 'raspi-firmware',
  /** RAUC 1.13 of trixie cannot open a verity bundle on kernels from 6.19 on; 1.15 can, and runs with trixie's C library. */
  updater: ['rauc/forky', 'rauc-service/forky', 'libnl-3-200/forky', 'libnl-genl-3-200/forky'],
} as const

const MIB = 1024 * 1024
/** GPT type GUIDs (UEFI 2.10, 5.3.3, and the UAPI group's discoverable partitions). */
const TYPE = {
  esp: 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b',
  boot: 'bc13c2ff-59e6-4262-a352-b275fd6f7172',
  root: 'b921b045-1df0-41c3-af44-4c6f280d3fae',
} as const

/** The disk as it is flashed; boot-b, root-b and data are made at the first boot (files/usr/lib/fieldgate-image/repart.d). */
export const DISK = {
  guid: 'f1e1d6a7-0000-4000-8000-000000000001',
  startMib: 1,
  partitions: [
    { label: 'gwconf', type: TYPE.esp, guid: 'f1e1d6a7-0001-4000-8000-000000000001', mib: 64 },
    { label: 'boot-a', type: TYPE.boot, guid: 'f1e1d6a7-0002-4000-8000-000000000001', mib: 128 },
    { label: 'root-a', type: TYPE.root, guid: 'f1e1d6a7-0003-4000-8000-000000000001', mib: 384 },
  ],
} as const

export const bytesOf = (mib: number): number => mib * MIB
