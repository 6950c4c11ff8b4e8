/** The kernel of backports, unpacked and pruned: vmlinuz, the modules a box can need, the device trees of the named boards. */
import { cpSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Archive } from '../debian.ts'
import { UNPACKED } from '../layout.ts'
import { run, step } from '../step.ts'

/** Modules that no gateway needs: graphics, sound, radio, clusters, foreign file systems, server hardware. */
const DROPPED = [
  'sound',
  'drivers/{accel,accessibility,android,ata,bluetooth,cdx,comedi,edac,fpga,gnss,gpu,greybus,hid,hwtracing,iio,infiniband,isdn}',
  'drivers/{media,memstick,message,mtd,mux,ntb,parport,pcmcia,platform,soundwire,staging,target,thunderbolt,ufs,vfio,video,xen}',
  'drivers/input/{joystick,mouse,tablet,touchscreen,misc,rmi4}',
  'drivers/md/{bcache,dm-vdo,persistent-data}',
  'drivers/net/{wireless,wwan,hyperv,fjes,ieee802154,dsa,vxlan,team,bonding,ipa}',
  'drivers/net/ethernet/{3com,adaptec,agere,alacritech,alteon,altera,amazon,amd,aquantia,arc,atheros,brocade,calxeda,cavium,chelsio,cisco,dec,dlink,emulex,ezchip,freescale,fungible,fujitsu,google,hisilicon,huawei,mediatek,mellanox,meta,micrel,myricom,neterion,netronome,nvidia,packetengines,pensando,qlogic,qualcomm,renesas,rocker,sfc,silan,sis,smsc,sun,tehuti,toshiba,via,wangxun,xilinx,marvell}',
  'drivers/net/ethernet/broadcom/{bnx2x,bnxt,bnge}',
  'drivers/net/ethernet/intel/{fm10k,i40e,iavf,ice,idpf,ixgbe,ixgbevf,ixd}',
  'drivers/scsi/{aacraid,aic7xxx,aic94xx,be2iscsi,bfa,bnx2fc,bnx2i,csiostor,cxgbi,cxlflash,device_handler,elx,fcoe,fnic,hisi_sas,isci,libfc,libsas,lpfc,megaraid,mpi3mr,mpt3sas,mvsas,pm8001,qedf,qedi,qla2xxx,qla4xxx,smartpqi,snic,sym53c8xx_2}',
  'fs/{9p,afs,bcachefs,btrfs,ceph,coda,dlm,ecryptfs,erofs,f2fs,gfs2,hfs,hfsplus,jffs2,jfs,minix,netfs,nfs,nfs_common,nfsd,nilfs2,ntfs,ntfs3,ocfs2,omfs,orangefs,qnx4,qnx6,reiserfs,romfs,smb,ubifs,udf,ufs,vboxsf,xfs,zonefs}',
  'net/{9p,appletalk,atm,batman-adv,bluetooth,ceph,ieee802154,mac80211,mac802154,mptcp,nfc,openvswitch,qrtr,rds,rfkill,rxrpc,sched,sctp,smc,sunrpc,tipc,wireless}',
]

const TREES = [
  /^broadcom\/bcm27(11|12|10)?.*rpi.*\.dtb$/,
  /^broadcom\/bcm2837-rpi-(3|cm3).*\.dtb$/,
  /^ti\/k3-am65.*iot2050.*\.dtb$/,
]

export interface Kernel {
  readonly release: string
  /** Holds `vmlinuz`, `dtb/` and `lib/modules/RELEASE`. */
  readonly folder: string
}

export function kernel(archive: Archive): Kernel {
  const release = archive.kernelRelease(UNPACKED.kernel)
  const names = ['binary', 'modules', 'base'].map((part) => `linux-${part}-${release}`)
  const folder = step({
    name: 'kernel',
    from: { versions: names.map((name) => archive.version(name)), DROPPED, trees: TREES.map(String) },
    make: (made) => {
      const unpacked = join(made, 'unpacked')
      for (const file of archive.download(made, names)) {
        run('dpkg-deb', ['-x', file, unpacked])
        rmSync(file)
      }
      const from = join(unpacked, 'usr/lib/modules', release)
      renameSync(join(from, 'vmlinuz'), join(made, 'vmlinuz'))
      for (const tree of readdirSync(join(from, 'dtb'), { recursive: true, encoding: 'utf8' })) {
        if (TREES.some((wanted) => wanted.test(tree))) cpSync(join(from, 'dtb', tree), join(made, 'dtb', tree))
      }
      rmSync(join(from, 'dtb'), { recursive: true })
      run('bash', ['-c', `rm -rf ${DROPPED.map((name) => `kernel/${name}`).join(' ')}`], { cwd: from })
      mkdirSync(join(made, 'lib/modules'), { recursive: true })
      renameSync(from, join(made, 'lib/modules', release))
      run('depmod', ['-b', made, release])
      rmSync(join(made, 'lib/modules', release, 'System.map'))
      rmSync(unpacked, { recursive: true })
    },
  })
  return { release, folder }
}
