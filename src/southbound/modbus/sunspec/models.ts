/** SunSpec information models: which points follow each other behind the header, as the SunSpec Alliance's model definitions have
 *  them. One word a point: `name:type*scale-factor[unit]`. */

export type PointType =
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'acc32'
  | 'acc64'
  | 'enum16'
  | 'bitfield16'
  | 'bitfield32'
  | 'float32'
  | 'sunssf'
  | 'string'
  | 'count'
  | 'pad'

export interface Point {
  readonly name: string
  readonly type: PointType
  /** Registers. */
  readonly size: number
  /** The point whose value is the power of ten. */
  readonly scaleFactor: string | undefined
  readonly unit: string | undefined
}

export interface Model {
  readonly name: string
  /** How often it is worth reading. */
  readonly every: string
  readonly points: readonly Point[]
  /** What repeats behind them, as often as the model's length allows. */
  readonly repeating: readonly Point[]
  readonly states: Readonly<Record<string, Readonly<Record<number, string>>>>
}

const SHORT: Readonly<Record<string, PointType>> = {
  i: 'int16',
  u: 'uint16',
  i32: 'int32',
  u32: 'uint32',
  a32: 'acc32',
  a64: 'acc64',
  e: 'enum16',
  b: 'bitfield16',
  b32: 'bitfield32',
  f: 'float32',
  sf: 'sunssf',
  n: 'count',
  pad: 'pad',
}
const SIZES: Readonly<Record<PointType, number>> = {
  int16: 1,
  uint16: 1,
  int32: 2,
  uint32: 2,
  acc32: 2,
  acc64: 4,
  enum16: 1,
  bitfield16: 1,
  bitfield32: 2,
  float32: 2,
  sunssf: 1,
  string: 0,
  count: 1,
  pad: 1,
}

function pointsOf(text: string): Point[] {
  return (text.match(/\S+/g) ?? []).map((word) => {
    const [, name = '', short = '', scaleFactor, unit] = /^(\w+):(\w+)(?:\*(\w+))?(?:\[(.+)\])?$/.exec(word)!
    const registers = /^s(\d+)$/.exec(short)
    const type = registers === null ? SHORT[short]! : 'string'
    return { name, type, size: registers === null ? SIZES[type] : Number(registers[1]), scaleFactor, unit }
  })
}

/** The same point for each of these suffixes. */
function each(prefix: string, suffixes: string, rest: string): string {
  return suffixes
    .split(',')
    .map((suffix) => `${prefix}${suffix}:${rest}`)
    .join(' ')
}

const PHASES = ',phA,phB,phC'
const SUMS = ',PhA,PhB,PhC'

const INVERTER = `${each('A', PHASES, 'u*A_SF[A]')} A_SF:sf
  ${each('PPVph', 'AB,BC,CA', 'u*V_SF[V]')} ${each('PhVph', 'A,B,C', 'u*V_SF[V]')} V_SF:sf
  W:i*W_SF[W] W_SF:sf Hz:u*Hz_SF[Hz] Hz_SF:sf VA:i*VA_SF[VA] VA_SF:sf VAr:i*VAr_SF[var] VAr_SF:sf PF:i*PF_SF[%] PF_SF:sf
  WH:a32*WH_SF[Wh] WH_SF:sf DCA:u*DCA_SF[A] DCA_SF:sf DCV:u*DCV_SF[V] DCV_SF:sf DCW:i*DCW_SF[W] DCW_SF:sf
  ${each('Tmp', 'Cab,Snk,Trns,Ot', 'i*Tmp_SF[°C]')} Tmp_SF:sf St:e StVnd:e ${each('Evt', '1,2,Vnd1,Vnd2,Vnd3,Vnd4', 'b32')}`
const INVERTER_FLOAT = `${each('A', PHASES, 'f[A]')} ${each('PPVph', 'AB,BC,CA', 'f[V]')} ${each('PhVph', 'A,B,C', 'f[V]')}
  W:f[W] Hz:f[Hz] VA:f[VA] VAr:f[var] PF:f[%] WH:f[Wh] DCA:f[A] DCV:f[V] DCW:f[W]
  ${each('Tmp', 'Cab,Snk,Trns,Ot', 'f[°C]')} St:e StVnd:e ${each('Evt', '1,2,Vnd1,Vnd2,Vnd3,Vnd4', 'b32')}`
const METER = `${each('A', PHASES, 'i*A_SF[A]')} A_SF:sf
  ${each('PhV', PHASES, 'i*V_SF[V]')} PPV:i*V_SF[V] ${each('PhVph', 'AB,BC,CA', 'i*V_SF[V]')} V_SF:sf Hz:i*Hz_SF[Hz] Hz_SF:sf
  ${each('W', PHASES, 'i*W_SF[W]')} W_SF:sf ${each('VA', PHASES, 'i*VA_SF[VA]')} VA_SF:sf
  ${each('VAR', PHASES, 'i*VAR_SF[var]')} VAR_SF:sf ${each('PF', PHASES, 'i*PF_SF[%]')} PF_SF:sf
  ${each('TotWhExp', SUMS, 'a32*TotWh_SF[Wh]')} ${each('TotWhImp', SUMS, 'a32*TotWh_SF[Wh]')} TotWh_SF:sf
  ${each('TotVAhExp', SUMS, 'a32*TotVAh_SF[VAh]')} ${each('TotVAhImp', SUMS, 'a32*TotVAh_SF[VAh]')} TotVAh_SF:sf
  ${['ImpQ1', 'ImpQ2', 'ExpQ3', 'ExpQ4'].map((one) => each(`TotVArh${one}`, ',PhA,PhB,PhC', 'a32*TotVArh_SF[varh]')).join(' ')}
  TotVArh_SF:sf Evt:b32`
const METER_FLOAT = `${each('A', PHASES, 'f[A]')} ${each('PhV', PHASES, 'f[V]')} PPV:f[V] ${each('PPVph', 'AB,BC,CA', 'f[V]')} Hz:f[Hz]
  ${each('W', PHASES, 'f[W]')} ${each('VA', PHASES, 'f[VA]')} ${each('VAR', PHASES, 'f[var]')} ${each('PF', PHASES, 'f')}
  ${each('TotWhExp', SUMS, 'f[Wh]')} ${each('TotWhImp', SUMS, 'f[Wh]')} ${each('TotVAhExp', SUMS, 'f[VAh]')} ${each('TotVAhImp', SUMS, 'f[VAh]')}
  ${['ImpQ1', 'ImpQ2', 'ExpQ3', 'ExpQ4'].map((one) => each(`TotVArh${one}`, PHASES, 'f[varh]')).join(' ')} Evt:b32`

const INVERTER_STATES = {
  St: {
    1: 'off',
    2: 'sleeping',
    3: 'starting',
    4: 'mppt',
    5: 'throttled',
    6: 'shutting-down',
    7: 'fault',
    8: 'standby',
  },
}

function model(
  name: string,
  every: string,
  points: string,
  more: { repeating?: string; states?: Model['states'] } = {},
): Model {
  return { name, every, points: pointsOf(points), repeating: pointsOf(more.repeating ?? ''), states: more.states ?? {} }
}

const inverter = (name: string, points: string): Model => model(name, '1s', points, { states: INVERTER_STATES })

export const MODELS: Readonly<Record<number, Model>> = {
  1: model('common', '1m', 'Mn:s16 Md:s16 Opt:s8 Vr:s8 SN:s16 DA:u Pad:pad'),
  101: inverter('inverter-single-phase', INVERTER),
  102: inverter('inverter-split-phase', INVERTER),
  103: inverter('inverter-three-phase', INVERTER),
  111: inverter('inverter-single-phase', INVERTER_FLOAT),
  112: inverter('inverter-split-phase', INVERTER_FLOAT),
  113: inverter('inverter-three-phase', INVERTER_FLOAT),
  120: model(
    'nameplate',
    '1m',
    `DERTyp:e WRtg:u*WRtg_SF[W] WRtg_SF:sf VARtg:u*VARtg_SF[VA] VARtg_SF:sf ${each('VArRtgQ', '1,2,3,4', 'i*VArRtg_SF[var]')}
     VArRtg_SF:sf ARtg:u*ARtg_SF[A] ARtg_SF:sf ${each('PFRtgQ', '1,2,3,4', 'i*PFRtg_SF')} PFRtg_SF:sf WHRtg:u*WHRtg_SF[Wh] WHRtg_SF:sf
     AhrRtg:u*AhrRtg_SF[Ah] AhrRtg_SF:sf MaxChaRte:u*MaxChaRte_SF[W] MaxChaRte_SF:sf MaxDisChaRte:u*MaxDisChaRte_SF[W]
     MaxDisChaRte_SF:sf Pad:pad`,
  ),
  121: model(
    'settings',
    '1m',
    `WMax:u*WMax_SF[W] VRef:u*VRef_SF[V] VRefOfs:i*VRefOfs_SF[V] VMax:u*VMinMax_SF[V] VMin:u*VMinMax_SF[V] VAMax:u*VAMax_SF[VA]
     ${each('VArMaxQ', '1,2,3,4', 'i*VArMax_SF[var]')} WGra:u*WGra_SF[%/s] ${each('PFMinQ', '1,2,3,4', 'i*PFMin_SF')} VArAct:e ClcTotVA:e
     MaxRmpRte:u*MaxRmpRte_SF[%] ECPNomHz:u*ECPNomHz_SF[Hz] ConnPh:e
     ${each('', 'WMax_SF,VRef_SF,VRefOfs_SF,VMinMax_SF,VAMax_SF,VArMax_SF,WGra_SF,PFMin_SF,MaxRmpRte_SF,ECPNomHz_SF', 'sf')}`,
  ),
  122: model(
    'status',
    '10s',
    `PVConn:b StorConn:b ECPConn:b ActWh:a64[Wh] ActVAh:a64[VAh] ${each('ActVArhQ', '1,2,3,4', 'a64[varh]')}
     VArAval:i*VArAval_SF[var] VArAval_SF:sf WAval:u*WAval_SF[W] WAval_SF:sf StSetLimMsk:b32 StActCtl:b32 TmSrc:s4 Tms:u32[s] RtSt:b
     Ris:u*Ris_SF[Ohm] Ris_SF:sf`,
  ),
  123: model(
    'controls',
    '10s',
    `Conn_WinTms:u[s] Conn_RvrtTms:u[s] Conn:e WMaxLimPct:u*WMaxLimPct_SF[%] ${each('WMaxLimPct_', 'WinTms,RvrtTms,RmpTms', 'u[s]')}
     WMaxLim_Ena:e OutPFSet:i*OutPFSet_SF ${each('OutPFSet_', 'WinTms,RvrtTms,RmpTms', 'u[s]')} OutPFSet_Ena:e
     VArWMaxPct:i*VArPct_SF[%] VArMaxPct:i*VArPct_SF[%] VArAvalPct:i*VArPct_SF[%] ${each('VArPct_', 'WinTms,RvrtTms,RmpTms', 'u[s]')}
     VArPct_Mod:e VArPct_Ena:e WMaxLimPct_SF:sf OutPFSet_SF:sf VArPct_SF:sf`,
  ),
  124: model(
    'storage',
    '10s',
    `WChaMax:u*WChaMax_SF[W] WChaGra:u*WChaDisChaGra_SF[%] WDisChaGra:u*WChaDisChaGra_SF[%] StorCtl_Mod:b VAChaMax:u*VAChaMax_SF[VA]
     MinRsvPct:u*MinRsvPct_SF[%] ChaState:u*ChaState_SF[%] StorAval:u*StorAval_SF[Ah] InBatV:u*InBatV_SF[V] ChaSt:e
     OutWRte:i*InOutWRte_SF[%] InWRte:i*InOutWRte_SF[%] ${each('InOutWRte_', 'WinTms,RvrtTms,RmpTms', 'u[s]')} ChaGriSet:e
     ${each('', 'WChaMax_SF,WChaDisChaGra_SF,VAChaMax_SF,MinRsvPct_SF,ChaState_SF,StorAval_SF,InBatV_SF,InOutWRte_SF', 'sf')}`,
    {
      states: {
        ChaSt: { 1: 'off', 2: 'empty', 3: 'discharging', 4: 'charging', 5: 'full', 6: 'holding', 7: 'testing' },
      },
    },
  ),
  160: model('mppt', '1s', 'DCA_SF:sf DCV_SF:sf DCW_SF:sf DCWH_SF:sf Evt:b32 N:n TmsPer:u', {
    repeating: `ID:u IDStr:s8 DCA:u*DCA_SF[A] DCV:u*DCV_SF[V] DCW:u*DCW_SF[W] DCWH:a32*DCWH_SF[Wh] Tms:u32[s] Tmp:i[°C] DCSt:e DCEvt:b32`,
  }),
  201: model('meter-single-phase', '1s', METER),
  202: model('meter-split-phase', '1s', METER),
  203: model('meter-wye', '1s', METER),
  204: model('meter-delta', '1s', METER),
  211: model('meter-single-phase', '1s', METER_FLOAT),
  212: model('meter-split-phase', '1s', METER_FLOAT),
  213: model('meter-wye', '1s', METER_FLOAT),
  214: model('meter-delta', '1s', METER_FLOAT),
}
