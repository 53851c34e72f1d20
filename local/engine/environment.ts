// What the JavaScript of functions finds in the global scope. Convex gives queries and mutations a clock that stands
// still and random numbers from a seed, and none of what waits for the world outside. Here functions share a process
// with everything else, so the globals ask, each time, whether it is a function that calls, and which.
import { AsyncLocalStorage } from "node:async_hooks";
import { inspect } from "node:util";
import type { Random } from "./random.js";

export interface Environment {
  /** A query's or mutation's: it may not wait for anything but the database. */
  readonly isTransaction: boolean;
  /** Milliseconds since 1970, at the start. */
  readonly now: number;
  readonly random: Random;
  readonly logLines: string[];
  /** What it waits for that the runtime itself does, outside of JavaScript: each becomes what hands it over. */
  readonly native: Set<Promise<() => void>>;
}

/** As many as Convex keeps of one execution. */
const mostLogLines = 256;

const running = new AsyncLocalStorage<Environment>();

export function runInEnvironment<T>(environment: Environment, work: () => T): T {
  return running.run(environment, work);
}

/** What a function asks of its deployment is not part of the function. */
export function runOutside<T>(work: () => T): T {
  return running.exit(work);
}

export function currentEnvironment(): Environment | undefined {
  return running.getStore();
}

/** The environment of whoever calls, if it is a query or mutation. */
function transaction(): Environment | null {
  const environment = running.getStore();
  return environment?.isTransaction ? environment : null;
}

const variables = new WeakMap<Environment, () => Readonly<Record<string, string>>>();

/** What the function finds in `process.env`, instead of what the backend itself was started with. */
export function giveVariables(environment: Environment, of: () => Readonly<Record<string, string>>): void {
  variables.set(environment, of);
}

let isInstalled = false;

/** To be called before functions are loaded: what they keep of the globals then is what they find. */
export function installGlobals(): void {
  if (isInstalled) return;
  isInstalled = true;
  installVariables();
  installClock();
  installRandomness();
  installSubtleCrypto();
  for (const name of ["fetch", "setTimeout", "setInterval", "setImmediate"] as const) forbid(name);
  installConsole();
}

function installVariables(): void {
  const real = process.env;
  const own = () => variables.get(running.getStore() as Environment)?.();
  const refuse = () => {
    if (own() !== undefined) throw new Error("Environment variables cannot be changed by functions.");
  };
  process.env = new Proxy(real, {
    get: (_, name) => (own() ?? real)[name as string],
    has: (_, name) => name in (own() ?? real),
    ownKeys: () => Reflect.ownKeys(own() ?? real),
    getOwnPropertyDescriptor: (_, name) => {
      const value = (own() ?? real)[name as string];
      return value === undefined
        ? undefined
        : { value, writable: true, enumerable: true, configurable: true };
    },
    set: (_, name, value) => (refuse(), Reflect.set(real, name, value)),
    deleteProperty: (_, name) => (refuse(), Reflect.deleteProperty(real, name)),
  });
}

function installClock(): void {
  const RealDate = globalThis.Date;
  const realNow = RealDate.now;
  RealDate.now = () => transaction()?.now ?? realNow();
  const nowIn = (parts: unknown[]) => (parts.length === 0 ? [RealDate.now()] : parts);
  // Not a class of its own: what the runtime makes (`structuredClone`) is to be a Date too.
  globalThis.Date = new Proxy(RealDate, {
    construct: (_, parts, target) => Reflect.construct(RealDate, nowIn(parts), target) as object,
    apply: () => new RealDate(RealDate.now()).toString(), // `Date()` without `new` gives text
  });
  RealDate.prototype.constructor = globalThis.Date;
}

function installRandomness(): void {
  const realRandom = Math.random;
  Math.random = () => transaction()?.random.fraction() ?? realRandom();
  const prototype = Object.getPrototypeOf(crypto) as Crypto;
  const { getRandomValues, randomUUID } = prototype;
  prototype.getRandomValues = function <T extends ArrayBufferView | null>(this: Crypto, array: T): T {
    const environment = transaction();
    if (environment === null || array === null) return getRandomValues.call(this, array as never) as T;
    environment.random.fill(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
    return array;
  } as Crypto["getRandomValues"];
  prototype.randomUUID = function (this: Crypto) {
    const environment = transaction();
    return environment === null ? randomUUID.call(this) : uuidFrom(environment.random);
  };
}

/** Cryptography that takes its time is done by other threads: who waits for it is not stuck, and goes on in a turn. */
function installSubtleCrypto(): void {
  const prototype = Object.getPrototypeOf(crypto.subtle) as Record<string, unknown>;
  for (const name of Object.getOwnPropertyNames(prototype)) {
    const real = prototype[name];
    if (name === "constructor" || typeof real !== "function") continue;
    prototype[name] = function (this: SubtleCrypto, ...all: unknown[]): unknown {
      const result = real.apply(this, all) as Promise<unknown>;
      const environment = transaction();
      if (environment === null) return result;
      return new Promise((resolve, reject) => {
        const give = (value: unknown) => () => resolve(value);
        const fail = (error: unknown) => () => reject(error as Error);
        environment.native.add(result.then(give, fail));
      });
    };
  }
}

export function uuidFrom(random: Random): `${string}-${string}-${string}-${string}-${string}` {
  const bytes = new Uint8Array(16);
  random.fill(bytes);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40; // version 4
  bytes[8] = (bytes[8]! & 0x3f) | 0x80; // variant 1
  const hex = Buffer.from(bytes).toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function forbid(name: "fetch" | "setTimeout" | "setInterval" | "setImmediate"): void {
  const real = globalThis[name] as (...all: unknown[]) => unknown;
  const guarded = function (this: unknown, ...all: unknown[]): unknown {
    if (transaction() === null) return real.apply(this, all);
    throw new Error(
      `Can't use ${name}() in queries and mutations. Please consider using an action. See https://docs.convex.dev/functions/actions for more details.`,
    );
  };
  Object.assign(guarded, real);
  Object.setPrototypeOf(guarded, real); // `setTimeout[util.promisify.custom]`
  Object.assign(globalThis, { [name]: guarded });
}

function installConsole(): void {
  for (const level of ["log", "info", "warn", "error", "debug", "trace"] as const) {
    const real = console[level].bind(console);
    console[level] = (...values: unknown[]) => {
      const environment = running.getStore();
      if (environment === undefined) return real(...values);
      writeLog(environment, level, values);
    };
  }
}

/** In the form that clients parse. */
export function writeLog({ logLines }: Environment, level: string, values: readonly unknown[]): void {
  const words = values.map((value) => (typeof value === "string" ? `'${value}'` : inspect(value)));
  if (logLines.length === mostLogLines - 1)
    logLines.push(`[ERROR] 'Log overflow (maximum ${mostLogLines}). Remaining log lines omitted.'`);
  if (logLines.length < mostLogLines - 1) logLines.push(`[${level.toUpperCase()}] ${words.join(" ")}`);
}
