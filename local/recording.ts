import { AsyncLocalStorage } from "node:async_hooks";
import { inspect } from "node:util";
import type { FunctionKind } from "./engine.js";
import { ReadSet } from "./readSet.js";

/** What is noted of a call while it runs. */
export interface Recording {
  readonly kind: FunctionKind;
  readonly reads: ReadSet;
  readonly read: { rows: number; bytes: number };
  readonly written: { rows: number; bytes: number };
  readonly logLines: string[];
  /** Of the newest commit. */
  ts: bigint | null;
  /** A timer that the call left behind runs in its context still, and is no part of it. */
  isOver: boolean;
}

/** The call that is running, for what it calls. */
export const currentCall = new AsyncLocalStorage<Recording>();

export function createRecording(kind: FunctionKind, reads = new ReadSet()): Recording {
  const [read, written] = [
    { rows: 0, bytes: 0 },
    { rows: 0, bytes: 0 },
  ];
  return { kind, reads, read, written, logLines: [], ts: null, isOver: false };
}

export function activeCall(): Recording | null {
  const recording = currentCall.getStore();
  return recording === undefined || recording.isOver ? null : recording;
}

/** A console that writes to a call's log lines, in the form that clients parse. */
export function consoleFor({ logLines }: Recording): Console {
  const writer = (level: string) =>
    function (...values: unknown[]): void {
      const words = values.map((value) => (typeof value === "string" ? `'${value}'` : inspect(value)));
      logLines.push(`[${level}] ${words.join(" ")}`);
    };
  const levels = ["log", "info", "warn", "error", "debug"] as const;
  const written = Object.fromEntries(levels.map((level) => [level, writer(level.toUpperCase())]));
  return Object.assign(Object.create(console) as Console, written);
}
