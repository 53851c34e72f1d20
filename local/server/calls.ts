import type {
  BackgroundCall,
  CallResult,
  Cost,
  Engine,
  FunctionCall,
  FunctionKind,
  Usage,
} from "../engine/engine.js";
import type { Faults } from "./faults.js";
import type { Stats } from "./stats.js";

/** A call that was made, for tests and for the log. */
export interface Call {
  readonly kind: FunctionKind | "httpAction";
  /** `folder/module:name`; that of a component's function after where it is mounted. */
  readonly path: string;
  /** What made it. */
  readonly cause: "client" | BackgroundCall["cause"];
  readonly ms: number;
  readonly ok: boolean;
  readonly reads: Usage;
  readonly writes: Usage;
  /** How often it found at its end that what it had read had changed. */
  readonly conflicts: number;
  /** Of the client that asked, first of all if several share a query. */
  readonly sessionId?: string;
  readonly error?: string;
}

const mostKept = 10_000;

/** Makes calls, counts them, and writes a line for each. */
export class Calls {
  readonly #engine: Engine;
  readonly #faults: Faults;
  readonly #stats: Stats;
  readonly #log: (line: string) => void;
  /** Newest last. */
  readonly made: Call[] = [];

  constructor(engine: Engine, faults: Faults, stats: Stats, log: (line: string) => void) {
    this.#engine = engine;
    this.#faults = faults;
    this.#stats = stats;
    this.#log = log;
    engine.onBackgroundCall(({ logLines, kind, path, cause, error, ...cost }) => {
      const failure = error === undefined ? {} : { error };
      this.#keep({ kind, path, cause, ok: error === undefined, ...measures(cost), ...failure }, logLines);
    });
  }

  async make(call: FunctionCall, sessionId?: string): Promise<CallResult> {
    const isRefused = this.#faults.takes("refuse", call.path);
    const result = isRefused ? refusal : await this.#engine.run(call);
    const { kind, path } = call;
    const client = sessionId === undefined ? {} : { sessionId };
    const failure = result.ok ? {} : { error: result.message || "Server Error" };
    const made = { kind, path, cause: "client" as const, ok: result.ok, ...measures(result) };
    this.#keep({ ...made, ...client, ...failure }, result.logLines);
    await this.#faults.released(path);
    const { delayMs } = this.#faults;
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    return result;
  }

  kindOf(path: string): FunctionKind | null {
    return this.#engine.kindOf(path);
  }

  /** A query was answered by a run that was made for somebody else. */
  noteCacheHit(path: string): void {
    this.#stats.noteCacheHit(path);
  }

  #keep(call: Call, logLines: readonly string[]): void {
    this.#stats.note(call);
    this.made.push(call);
    if (this.made.length > mostKept) this.made.shift();
    const usage = ({ rows, bytes }: Usage) => `${rows} rows ${bytes} B`;
    const { kind, path, ms, reads, writes, conflicts, error } = call;
    const conflicted = conflicts === 0 ? "" : `  ${conflicts} ${conflicts === 1 ? "conflict" : "conflicts"}`;
    const end = error === undefined ? "" : `  failed: ${error.split("\n")[0]}`;
    this.#log(
      `${kind} ${path}  ${ms.toFixed(1)} ms  read ${usage(reads)}  wrote ${usage(writes)}${conflicted}${end}`,
    );
    for (const line of logLines) this.#log(`  ${line}`);
  }
}

function measures({ ms, read, written, conflicts }: Cost) {
  return { ms, reads: { ...read }, writes: { ...written }, conflicts };
}

const nothing = { rows: 0, bytes: 0 };
/** As production words any error without a code: it does not tell what was thrown. */
const refusal: CallResult = {
  ok: false,
  message: "",
  data: undefined,
  isConflict: false,
  logLines: [],
  snapshot: null,
  ms: 0,
  read: nothing,
  written: nothing,
  conflicts: 0,
};
