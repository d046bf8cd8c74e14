import { getJson, type HttpEndpoint, type JsonObject } from '../adapters/drivers/http-get.ts';
import { CONVERTER_MODES, type ConverterMode } from '../domain/converter-mode.ts';
import type { Milliseconds } from '../domain/quantities.ts';
import type { WiredOrder } from '../domain/wired-device.ts';

/** What can be set by hand in an emulated house; null gives sun or load back to the data set. */
export interface HouseOverrides {
  readonly rsoc?: number;
  readonly pvW?: number | null;
  readonly loadW?: number | null;
}

type Query = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** Requests to the emulated world end by this time, whatever happens to it. */
const LIMIT_MSEC = 12_000;

function pathOf(path: string, name: string, query: Query): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  const search = new URLSearchParams(given.map(([key, value]): [string, string] => [key, String(value ?? '')]));
  return `${path}${encodeURIComponent(name)}${given.length === 0 ? '' : `?${search}`}`;
}

const codeOf = (mode: ConverterMode | undefined): string | undefined =>
  mode === undefined ? undefined : CONVERTER_MODES[mode].code;

/**
 * An emulated DC network over HTTP (`apis emulator`, a demo's daemon, or one that a flow hosts): its devices as drivers
 * reach them, and everything that can be set or broken there. Every call rejects DeviceError with the emulator's reason.
 */
export class EmulatorClient {
  readonly #endpoint: () => HttpEndpoint | Promise<HttpEndpoint>;

  /** `endpoint` is asked anew before each request. */
  constructor(endpoint: () => HttpEndpoint | Promise<HttpEndpoint>) {
    this.#endpoint = endpoint;
  }

  /** `{houses: [id], lines: [name]}` */
  houses(): Promise<JsonObject> {
    return this.#get('/get/houses');
  }

  /** The truth about a house, without meters in between. */
  state(house: string): Promise<JsonObject> {
    return this.#get('/get/state/', house);
  }

  /** Converter and battery as the device tells them: `{dcdc, battery, emu, time}`. */
  read(house: string): Promise<JsonObject> {
    return this.#get('/device/read/', house);
  }

  /**
   * Carries an order to the converter out and gives its reply. With `watchdogMsec` the converter goes to WAIT by itself
   * when no further request comes for so long (RULE-18).
   */
  order(house: string, order: WiredOrder, watchdogMsec?: Milliseconds): Promise<JsonObject> {
    if (order.command === 'get') return this.#get('/device/read/', house, { watchdogMsec });
    if (order.command === 'status') return this.#get('/device/status/', house, { watchdogMsec });
    const { mode, dvg, dig, drg } = order;
    return this.#get('/device/set/', house, { mode: codeOf(mode), dvg, dig, drg, watchdogMsec });
  }

  /** Sets charge, sun and load; resolves with the house's state. */
  override(house: string, { rsoc, pvW, loadW }: HouseOverrides): Promise<JsonObject> {
    return this.#get('/set/house/', house, { rsoc, pvW, loadW });
  }

  /** Breaks something of a house; resolves with all faults present. */
  inject(house: string, fault: Query): Promise<JsonObject> {
    return this.#get('/set/fault/', house, fault);
  }

  /** Mends one kind of fault, or all of a house. */
  heal(house: string, kind?: string): Promise<JsonObject> {
    return this.#get('/heal/fault/', house, { kind });
  }

  breakLine(line: string): Promise<JsonObject> {
    return this.#get('/set/line-break/', line);
  }

  mendLine(line: string): Promise<JsonObject> {
    return this.#get('/heal/line-break/', line);
  }

  healAll(): Promise<JsonObject> {
    return this.#get('/heal/all');
  }

  async #get(path: string, name = '', query: Query = {}): Promise<JsonObject> {
    return getJson(await this.#endpoint(), pathOf(path, name, query), AbortSignal.timeout(LIMIT_MSEC));
  }
}
